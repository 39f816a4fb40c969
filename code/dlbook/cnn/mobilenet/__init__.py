"""MobileNet: separable convolutions, and one number that makes every layer narrower."""
