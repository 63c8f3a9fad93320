"""Backups: a folder that holds one state of a repository, from which it comes back on SQLite or on PostgreSQL."""
