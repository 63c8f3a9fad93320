"""The database behind every subject: its tables, its transactions, its files on disk."""
