"""Watching: the log of requests, figures, and whether the server is well."""
