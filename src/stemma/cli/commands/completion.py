"""`stemma completion`."""

import click
from click.shell_completion import get_completion_class

from stemma import cli
from stemma.cli.answers import Completion
from stemma.cli.grouping import command
from stemma.cli.session import Session, pass_session
from stemma.cli.streams import write

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    "stemma completion bash >> ~/.bashrc",
    "stemma completion zsh > ~/.zfunc/_stemma",
    "stemma completion fish > ~/.config/fish/completions/stemma.fish",
    prints=Completion,
)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
@pass_session
def completion(session: Session, shell: str) -> None:
    """Print what makes your shell complete commands.

    It completes commands, options, models, references and aliases.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.", click.get_current_context())
    script = kind(cli.program, {}, cli.PROGRAM, "_STEMMA_COMPLETE").source()
    if session.json:
        session.emit(Completion(shell=shell, script=script))
    else:
        write(script)
