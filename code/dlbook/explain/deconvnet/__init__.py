"""A deconvolutional network: what a unit reacted to, traced back to the pixels."""
