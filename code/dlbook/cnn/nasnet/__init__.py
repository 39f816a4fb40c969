"""NASNet-A: two cells found by a search, repeated and stacked into a network."""
