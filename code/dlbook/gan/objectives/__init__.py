"""What a generator and a discriminator play for, and a step of the game."""
