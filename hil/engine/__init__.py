"""Where an optimization runs."""
