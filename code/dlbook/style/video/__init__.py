"""Style transfer of films: a scene whose motion is known, its flicker, and two ways to calm it."""
