"""A text generator: recurrent layers that read one symbol at a time and predict the next."""
