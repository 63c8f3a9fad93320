"""The demonstration: Stemma's story, told on real data with the commands that a person would type."""
