"""Stemma: versions, lineage and governed releases of machine-learning models."""
