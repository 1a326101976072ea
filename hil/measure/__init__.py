"""From instruments to records: soundings, sweeps, and the run directory that keeps them."""
