"""Transfer: what a network has learnt for one task, used for another."""
