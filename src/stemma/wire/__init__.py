"""Doors: each folder speaks one protocol over HTTP, and knows no other."""
