"""n-grams on the real texts: what the networks have to beat."""
