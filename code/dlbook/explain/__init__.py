"""What networks see: what moved a unit, where the reasons for an answer lie, and pictures that a network dreams."""
