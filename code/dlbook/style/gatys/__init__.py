"""Style transfer by optimising the picture itself."""
