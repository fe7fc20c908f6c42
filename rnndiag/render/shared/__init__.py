"""What several formats say in the same words, as plain text that is not escaped yet."""
