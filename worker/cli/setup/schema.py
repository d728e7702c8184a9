"""`intake schema`: the JSON Schema of what may be pushed."""

from __future__ import annotations

import json
from typing import Final

import click

from schemas.job import published, published_order
from worker.operations.examples import examples

SCHEMAS: Final = {"job": published, "order": published_order}


@click.command("schema", epilog=examples("intake schema job > job.schema.json"))
@click.argument("what", type=click.Choice(list(SCHEMAS)))
def command(what: str) -> None:
    """Print the JSON Schema of a job or an order.

    The order is the one that a job may carry. The draft is 2020-12.
    """
    click.echo(json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False))
