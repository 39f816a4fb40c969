"""Recognise: what ImageNet networks, and a small one of our own, say to a photo."""
