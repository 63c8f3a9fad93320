"""Models as Python objects: from what people push to files that run no code, and back from a verified folder."""
