"""Nothing disappears unlisted: every field is carried, kept, checked, or dropped for a reason that is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from fields.all_ways import pages, systems

PAGES = Path(__file__).parents[2] / "deploy" / "docs" / "fields"
KINDS = ["retailcrm", "dropstream", "ordercloud", "dropday", "dropboy"]
TARGETS = ["retailcrm", "ordercloud", "dropday", "dropboy"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_provider_is_carried_or_kept_or_dropped_for_a_reason(kind: str) -> None:
    provider, _ = systems()
    assert (provider[kind].unlisted(), provider[kind].unknown()) == ([], [])


@pytest.mark.parametrize("kind", TARGETS)
def test_every_field_of_an_order_reaches_a_target_or_is_dropped_for_a_reason(kind: str) -> None:
    _, target = systems()
    assert (target[kind].unlisted(), target[kind].unknown()) == ([], [])


def test_the_pages_show_what_the_adapters_do() -> None:
    assert {page.name: page.read_text("utf-8") for page in PAGES.glob("*.md")} == pages(), "run `make fields`"
