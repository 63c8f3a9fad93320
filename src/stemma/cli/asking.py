"""Asking a person at the terminal: whether something is to be done, and for what must not be seen."""

import sys

import click

from stemma.errors import InvalidError


def confirm(question: str, *, yes: bool) -> None:
    """Return where a person consents, or did so before by `--yes`; without a terminal nobody is asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidError("nobody can be asked whether this is to be done", hint="Say --yes.")
    if not click.confirm(question, err=True):
        raise click.Abort


def hidden(question: str) -> str:
    """Return what a person types, without showing it."""
    return str(click.prompt(question, hide_input=True, err=True))
