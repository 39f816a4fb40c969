"""A generative adversarial network on points in the plane, where everything it does can be seen."""
