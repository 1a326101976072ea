"""Hardware made of software: one world, its clock, and the simulated instruments that meet in it."""
