"""`intake schema`: the JSON Schema of what may be pushed."""

from __future__ import annotations

import json
from typing import Final

import click

from schemas.job import published, published_order

SCHEMAS: Final = {"job": published, "order": published_order}


@click.command("schema")
@click.argument("what", type=click.Choice(list(SCHEMAS)))
def command(what: str) -> None:
    """Print the JSON Schema (draft 2020-12) of a job, or of the order that a job may carry."""
    click.echo(json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False))
