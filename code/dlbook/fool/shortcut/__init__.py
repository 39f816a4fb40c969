"""Shortcuts: a mark that gives the class away, and a network that learns the mark and nothing else."""
