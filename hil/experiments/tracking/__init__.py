"""Chapters of `hil.experiments.track`: the rounds, the judge that knows the true channel, the figures, the dry run."""
