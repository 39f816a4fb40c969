"""Training loops, starting weights, batches and progress."""
