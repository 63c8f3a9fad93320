"""Operations on people and services: who there is, what they may do where, and the tokens that they show."""

from stemma.operations.people import roles, tokens, users

__all__ = ["roles", "tokens", "users"]
