"""Surface boards as data: the schema of a profile, and the bytes that it means."""
