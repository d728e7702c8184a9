"""A small share of the fuzzer: see `make fuzz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.run import Account, fuzz
from fuzz.systems import SYSTEMS

if TYPE_CHECKING:
    from redis import Redis


@pytest.mark.parametrize("kind", SYSTEMS)
def test_every_hostile_record_is_accepted_or_dead_and_stops_nothing(redis: Redis, kind: str) -> None:
    account = Account()
    fuzz(redis, kind, 80, 14, account)
    assert account.faults == []
    assert account.sent == 80
    # Without both, the fuzzer would show nothing.
    assert account.counts["accepted"] > 20
    assert account.counts["malformed"] + account.counts["fetched dead"] > 5
