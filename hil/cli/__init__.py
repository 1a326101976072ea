"""The commands: the only place where errors become text and exit codes."""
