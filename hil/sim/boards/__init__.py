"""Simulated control boards: byte machines with a time of their own. They share no code with the driver's codec."""
