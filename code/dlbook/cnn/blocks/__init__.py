"""What the ConvNets share: the table of layers, convolutions with every padding, starting and official weights, fit and predict."""
