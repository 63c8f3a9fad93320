"""Synchronising two repositories: what one has and the other lacks goes over, with its history and its proofs."""
