"""`intake schema`: the JSON Schema of what may be pushed, and of the settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from schemas.job import published, published_order
from worker.operations.examples import examples
from worker.settings.schema import settings_schema
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Callable


def _settings() -> dict[str, Any]:
    return settings_schema(provider_kinds(), target_kinds(), webhook_kinds())


SCHEMAS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "job": published,
    "order": published_order,
    "settings": _settings,
}


@click.command(
    "schema", epilog=examples("intake schema job > job.schema.json", "intake schema settings > intake.schema.json")
)
@click.argument("what", type=click.Choice(list(SCHEMAS)))
def command(what: str) -> None:
    """Print a JSON Schema: job, order or settings.

    The schema `order` describes the order in a job. With the schema `settings`, an editor completes and checks
    intake.toml.
    """
    click.echo(json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False))
