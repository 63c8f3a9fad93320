"""A repository behind HTTP: the same calls, with retries, and what was verified before where it is out of reach."""
