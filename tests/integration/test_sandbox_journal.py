"""What the sandbox writes into its journal, so that anybody can judge it later."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.sandbox import Sandbox
from worker.lab.history.command import judged
from worker.lab.history.judge import Route
from worker.lab.sandbox.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALL = "retailcrm,dropday,dropstream,dropboy,ordercloud"


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def words(value: Any) -> Iterable[str]:
    """Every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from words(item)


PERSONAL = ("city", "street", "email", "phone", "name", "address", "postcode", "zip", "comment", "index", "attention")


def personal(value: Any, key: str = "") -> Iterable[str]:
    """The texts of an order that say who ordered it, or where they live."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from personal(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from personal(item, key)
    elif isinstance(value, str) and any(word in key.lower() for word in PERSONAL):
        yield value


def test_nothing_of_who_ordered_stands_in_a_journal(tmp_path: Path) -> None:
    accounts = [f"{system}:main:orders=40" for system in ALL.split(",")]
    with Sandbox(systems=ALL, accounts=accounts, journal=tmp_path) as box:
        orders = [order for system in ALL.split(",") for order in box.orders(system)]
    written = {word for line in lines(tmp_path) for word in words(line)}
    said = {
        word for order in orders for word in personal(order) if len(word) > 1 and not word.isdecimal()
    }  # a number may be an id
    assert len(orders) == 200
    assert len(said) > 200
    assert written & said == set()


def test_an_order_has_a_version_for_each_change_and_a_digest_for_each_field(tmp_path: Path) -> None:
    with Sandbox(systems="retailcrm", journal=tmp_path) as box:
        (number,) = box.add_orders(1)
        box.change(number, managerComment="?")
        box.change(number, lastName="Another")
        box.change(number, deleted=True)
    effects = [line for line in lines(tmp_path) if line["kind"] == "effect"]
    assert [(line["did"], line["version"]) for line in effects] == [
        ("added", 1),
        ("changed", 2),
        ("changed", 3),
        ("deleted", 3),
    ]
    first, second, third = (line["fields"] for line in effects[:3])
    assert set(first) == {"name", "city", "postcode", "total", "shipping", "lines", "pieces", "currency"}
    assert second == first
    assert {name for name in first if first[name] != third[name]} == {"name"}
    assert "fields" not in effects[3]


def test_digests_are_the_same_within_a_run_and_no_others(tmp_path: Path) -> None:
    found = []
    for n, salt in enumerate(("one", "one", "two", "", "")):
        file = tmp_path / f"{n}.jsonl"
        Journal(file, salt).effect("retailcrm", "main", "added", None, "1", lambda: {"name": "Ada"})
        run, effect = [json.loads(line) for line in file.read_text().splitlines()]
        found.append((run["run"], effect["fields"]["name"]))
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_a_limit_of_some_calls_in_any_window_is_kept_and_declared(tmp_path: Path) -> None:
    with Sandbox(systems="retailcrm", limits=["retailcrm=3/0.5"], journal=tmp_path) as box:
        import requests

        url = f"{box.url('retailcrm')}/api/v5/orders"
        started = time.monotonic()
        statuses = [requests.get(url, params={"apiKey": box.KEY}, timeout=5).status_code for _ in range(8)]
        assert time.monotonic() - started > 0.5 or statuses == [200] * 3 + [503] * 5
        box.limit(retailcrm=0)
        statuses.append(requests.get(url, params={"apiKey": box.KEY}, timeout=5).status_code)
    told = [line for line in lines(tmp_path) if line["kind"] == "limit"]
    assert [(line["calls"], line["window"]) for line in told] == [(1, 0.1), (3, 0.5), (1, 0.0)]
    assert statuses[-1] == 200
    found, _ = judged(tmp_path, [Route.read("retailcrm/main=dropday/main")])
    # Two readings of one limit: what the simulation refused is what the checker counts.
    assert [(pace.calls, pace.over) for pace in found.paces] == [(9, statuses.count(503))]


@pytest.mark.parametrize("torn", [b"", b'{"seq":'])
def test_a_journal_goes_on_in_the_same_file_after_a_kill(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "journal.jsonl"
    box = Sandbox(systems="retailcrm", journal=file).start()
    (number,) = box.add_orders(1)
    box.stop(signal.SIGKILL)
    with file.open("ab") as out:
        out.write(torn)
    with Sandbox(systems="retailcrm", journal=file):
        pass
    found, reading = judged(tmp_path, [Route.read("retailcrm/main=dropday/main")])
    assert found.targets["dropday/main"].lost.first == [f"main:{number}"]
    assert (reading.damaged, len(reading.cut)) == ([], bool(torn))
