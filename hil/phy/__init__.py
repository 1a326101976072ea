"""Signals: OFDM frames, delays, Hadamard patterns, rates. Pure functions of arrays."""
