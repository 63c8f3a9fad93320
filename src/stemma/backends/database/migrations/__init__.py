"""Alembic revisions, forward only. A released one never changes."""
