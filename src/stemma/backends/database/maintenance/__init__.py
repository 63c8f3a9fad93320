"""What keeps a repository's database sound: its declared format, checks, migrations and rebuilding."""
