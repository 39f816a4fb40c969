"""A small architecture search: 315 cells in the style of NASNet, random search and regularised evolution."""
