"""Files of versions on a disk: listed and read safely, written verified, moved in and out of a repository."""
