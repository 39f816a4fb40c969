"""A style-based GAN: a network makes a style of noise, and the style steers every layer of a second one."""
