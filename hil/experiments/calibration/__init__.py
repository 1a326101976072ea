"""Chapters of `hil.experiments.calibrate`, and the first look of `hil doctor --rf`."""
