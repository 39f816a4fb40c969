"""A generator and a discriminator that grow while they learn."""
