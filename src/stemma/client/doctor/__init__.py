"""The doctor: what is well and what is not, of this installation, of a repository, and of the way to a server."""
