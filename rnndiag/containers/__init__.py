"""From a file to a Checkpoint: the only code that opens files."""
