"""Features made by hand against features learnt from examples, on the same images."""
