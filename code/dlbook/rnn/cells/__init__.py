"""The cells of recurrent networks, from scratch and in both frameworks."""
