"""The commands, one file each, named like the command and holding it under that name."""
