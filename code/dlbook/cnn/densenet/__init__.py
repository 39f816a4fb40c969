"""DenseNet: every layer reads the maps of all layers before it in its block."""
