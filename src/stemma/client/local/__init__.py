"""A repository in a folder: everything happens in this process."""
