"""Proof that twins compute the same: weights copied between them, outputs, gradients and training steps compared."""
