"""DCGAN: a generator and a discriminator made of convolutions alone."""
