"""Studies over simulated channels: many users, sizes, scenes, algorithms."""
