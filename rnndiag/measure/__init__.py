"""From arrays to one frozen result per question."""
