"""The digit network: two convolutions, one pooling, one hidden layer, 600,810 parameters."""
