"""Instruments: the radio, the surface board, and the gate that every transmission passes."""
