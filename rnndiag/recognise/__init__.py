"""From names and shapes to recurrent layers, and what was not recognised and why."""
