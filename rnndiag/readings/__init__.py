"""What the numbers imply and what they do not, in plain sentences: one file per measurement."""
