"""What text models of every kind share: n-grams, sampling, tokens."""
