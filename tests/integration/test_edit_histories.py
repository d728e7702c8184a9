"""Edits of the source and of people in turns: afterwards the target has the changes of both, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edits.history import run
from edits.systems import SYSTEMS

if TYPE_CHECKING:
    from redis import Redis


@pytest.mark.parametrize("kind", SYSTEMS)
def test_source_and_people_keep_what_they_changed(redis: Redis, kind: str) -> None:
    assert [(seed, lines) for seed, lines in run(redis, kind, range(15)) if lines] == []


@pytest.mark.soak
@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_thousand_histories_of_edits(redis: Redis, kind: str) -> None:
    assert [(seed, lines) for seed, lines in run(redis, kind, range(1000, 2000)) if lines] == []
