"""Deep learning for vision, text, sound and games, in Keras and PyTorch twins."""
