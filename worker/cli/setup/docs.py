"""`intake docs`: the pages of the documentation, in the terminal."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import click

import worker
from worker.cli.results import console, say
from worker.operations.examples import examples

#: Where an installed package has its pages (see `data-files` in pyproject.toml), and where a checkout has them.
_INSTALLED: Final = "share/doc/intake-orders/"
_CHECKOUT: Final = Path(worker.__file__).parents[1] / "deploy" / "docs"


def pages() -> dict[str, Path]:
    """Return the pages by topic: those of the checkout, or those that came with the installed package."""
    files = list(_CHECKOUT.glob("*.md"))
    if not files:
        try:
            installed = distribution("intake-orders").files or []
        except PackageNotFoundError:
            installed = []
        files = [Path(str(file.locate())) for file in installed if _INSTALLED in file.as_posix()]
    return {file.stem: file for file in sorted(files) if file.suffix == ".md"}


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("# ").strip()


def _complete(_: click.Context, __: click.Parameter, beginning: str) -> list[str]:
    return [topic for topic in pages() if topic.startswith(beginning)]


@click.command("docs", epilog=examples("intake docs", "intake docs going-live"))
@click.argument("topic", required=False, shell_complete=_complete)
def command(topic: str | None) -> None:
    """Print a page of the documentation.

    Without TOPIC, the command lists the pages. TOPIC may be the beginning of a name, or a word to search for.
    """
    found = pages()
    if not found:
        raise click.ClickException("this installation has no pages. Next: pip install --force-reinstall intake-orders")
    if topic is None:
        wide = max(map(len, found))
        for name, page in found.items():
            say(f"{name:<{wide}}  {_title(page)}", " " * (wide + 2))
        return
    named = [topic] if topic in found else [name for name in found if name.startswith(topic)]
    if len(named) == 1:
        _print(found[named[0]])
        return
    matches = named or [
        name for name, page in found.items() if topic.casefold() in page.read_text(encoding="utf-8").casefold()
    ]
    if not matches:
        raise click.ClickException(f"no page is named {topic} or contains it. Next: intake docs")
    say(f"Pages about {topic}: {', '.join(matches)}. Next: intake docs {matches[0]}")


def _print(page: Path) -> None:
    """Print a page: rendered in a pager at a terminal, else as Markdown."""
    text, out = page.read_text(encoding="utf-8"), console()
    if not out.is_terminal:
        click.echo(text, nl=False)
        return
    from rich.markdown import Markdown

    with out.pager(styles=True):
        out.print(Markdown(text))
