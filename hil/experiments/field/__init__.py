"""Chapters of `hil.experiments.field_test`: plan and codes, who goes where, visits, rounds and rules, the analysis."""
