"""SqueezeNet: AlexNet's accuracy with a fiftieth of its weights."""
