"""Signers: where private keys lie."""
