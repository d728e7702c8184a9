"""The context of a command line, parsed without running it."""

from __future__ import annotations

import click

from worker.cli import main


def context_of(words: tuple[str, ...], *, help_only: bool) -> click.Context:
    """Return the context of the command that these words call; with `help_only`, the words are its path alone."""
    context: click.Context = click.Context(main, info_name="intake", terminal_width=None)
    command: click.Command = main
    if not help_only:
        context = main.make_context("intake", list(words))
        words = tuple(context._protected_args) + tuple(context.args)
    while isinstance(command, click.Group) and words:
        name, below, rest = command.resolve_command(context, list(words))
        assert below is not None
        command = below
        if help_only:
            context = click.Context(command, info_name=name, parent=context)
            words = tuple(rest)
        else:
            context = command.make_context(name, rest, parent=context)
            words = tuple(context._protected_args) + tuple(context.args)
    return context
