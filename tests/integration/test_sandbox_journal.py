"""The journal of the simulator, from which a run is judged later."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.sandbox import Sandbox
from worker.lab.history.command import judge_folder
from worker.lab.history.routes import Route
from worker.lab.sandbox.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ALL = "retailcrm,dropday,dropstream,dropboy,ordercloud"


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]


def texts(value: Any) -> Iterable[str]:
    """Yield every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


PERSONAL = ("city", "street", "email", "phone", "name", "address", "postcode", "zip", "comment", "index", "attention")


def personal(value: Any, key: str = "") -> Iterable[str]:
    """Yield the texts of an order that identify the buyer or the address."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from personal(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from personal(item, key)
    elif isinstance(value, str) and any(word in key.lower() for word in PERSONAL):
        yield value


def test_a_journal_contains_no_personal_data(tmp_path: Path) -> None:
    accounts = [f"{system}:main:orders=40" for system in ALL.split(",")]
    with Sandbox(systems=ALL, accounts=accounts, journal=tmp_path) as box:
        orders = [order for system in ALL.split(",") for order in box.orders(system)]
    written = {word for line in lines(tmp_path) for word in texts(line)}
    # Numbers are left out because an id can be equal to one.
    secret = {word for order in orders for word in personal(order) if len(word) > 1 and not word.isdecimal()}
    assert len(orders) == 200
    assert len(secret) > 200
    assert written & secret == set()


def test_an_effect_has_a_version_for_each_change_and_a_digest_for_each_field(tmp_path: Path) -> None:
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


def test_digests_are_equal_within_a_run_and_differ_between_runs(tmp_path: Path) -> None:
    digests = []
    for n, salt in enumerate(("one", "one", "two", "", "")):
        file = tmp_path / f"{n}.jsonl"
        columns = {"external_id": None, "reference": "1"}
        Journal(file, salt).effect("retailcrm", "main", "added", lambda: ({"name": "Ada"}, "live"), **columns)
        run, effect = [json.loads(line) for line in file.read_text().splitlines()]
        digests.append((run["run"], effect["fields"]["name"]))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_a_limit_of_several_calls_per_window_is_enforced_and_noted(tmp_path: Path) -> None:
    with Sandbox(systems="retailcrm", limits=["retailcrm=3/0.5"], journal=tmp_path) as box:
        url = f"{box.url('retailcrm')}/api/v5/orders"
        started = time.monotonic()
        statuses = [requests.get(url, params={"apiKey": box.KEY}, timeout=5).status_code for _ in range(8)]
        assert time.monotonic() - started > 0.5 or statuses == [200] * 3 + [503] * 5
        box.limit(retailcrm=0)
        statuses.append(requests.get(url, params={"apiKey": box.KEY}, timeout=5).status_code)
    noted = [line for line in lines(tmp_path) if line["kind"] == "limit"]
    assert [(line["calls"], line["window"]) for line in noted] == [(1, 0.1), (3, 0.5), (1, 0.0)]
    assert statuses[-1] == 200
    verdict, _ = judge_folder(tmp_path, [Route.read("retailcrm/main=dropday/main")])
    # Two implementations of one limit: the judge counts exactly the calls that the simulator refused.
    assert [(pace.calls, pace.over) for pace in verdict.paces] == [(9, statuses.count(503))]


@pytest.mark.parametrize("torn", [b"", b'{"seq":'])
def test_a_journal_continues_in_the_same_file_after_a_kill(tmp_path: Path, torn: bytes) -> None:
    file = tmp_path / "journal.jsonl"
    box = Sandbox(systems="retailcrm", journal=file).start()
    (number,) = box.add_orders(1)
    box.stop(signal.SIGKILL)
    with file.open("ab") as out:
        out.write(torn)
    with Sandbox(systems="retailcrm", journal=file):
        pass
    verdict, reading = judge_folder(tmp_path, [Route.read("retailcrm/main=dropday/main")])
    assert verdict.targets["dropday/main"].lost.first == [f"main:{number}"]
    assert (reading.damaged, len(reading.cut)) == ([], bool(torn))
