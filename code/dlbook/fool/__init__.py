"""Fooling networks: inputs made to be misread, networks that learnt the wrong thing, and what helps."""
