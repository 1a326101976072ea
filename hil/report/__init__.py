"""Figures and pages from a run directory."""
