"""Layers of the generative adversarial networks that grow or style their images."""
