"""Residual networks: identity shortcuts past every two or three convolutions, 18 to 152 layers and small ones."""
