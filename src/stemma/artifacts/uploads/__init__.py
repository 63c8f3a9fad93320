"""Uploads: how files become published packs, step by step, with nothing visible before the end."""
