"""Adversarial examples: one step, many steps, towards a chosen class; and training against them."""
