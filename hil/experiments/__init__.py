"""The stories, each of which reads as a table of contents."""
