"""A small architecture search: 315 cells, random search and regularised evolution."""
