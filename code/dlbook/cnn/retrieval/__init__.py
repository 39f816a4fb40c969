"""Retrieval: pictures that are like a picture, found by what a network says about them."""
