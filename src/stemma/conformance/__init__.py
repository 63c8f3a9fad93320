"""Test suites for backends and protocols, shipped with the package so that every implementation can run them."""
