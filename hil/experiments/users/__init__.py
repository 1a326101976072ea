"""Chapters of `hil.experiments.many_users`: the book of what is known, a user's coming, turns, the page."""
