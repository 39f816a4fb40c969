"""Style transfer in one pass: a network learns to paint."""
