"""The inputs that networks are run on where nobody gives any, and which of them decide."""
