"""Implementations of the ports that subjects ask for; only `stemma.app` names one of them."""
