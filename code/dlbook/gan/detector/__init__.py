"""A detector of forgeries: LeNet-5 with two classes, asked about generators that it has never seen."""
