"""Exchange: logs that come from another repository, entered as they are, and versions taken from one that parted."""
