"""The `[reconcile]` table: off unless it is there, and every wrong line of it refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.settings_files import GOOD, problems, read
from worker import app

if TYPE_CHECKING:
    from pathlib import Path


def test_without_the_table_nothing_is_compared_by_night(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).reconcile.pairs == ()


def test_an_empty_table_compares_all_pairs_at_three(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD + "[reconcile]\n").reconcile
    assert found.pairs == (("shop-nl", "store"),)
    assert (found.at.hour, found.at.minute, found.range, found.share) == (3, 0, 7 * 86400.0, 0.2)


def test_all_of_it_may_be_said(tmp_path: Path) -> None:
    text = '[reconcile]\npairs = ["shop-nl > store"]\nat = "23:05"\nrange = "36h"\nshare = 0.5\n'
    found = read(tmp_path, GOOD + text).reconcile
    assert found.pairs == (("shop-nl", "store"),)
    assert (found.at.hour, found.at.minute, found.range, found.share) == (23, 5, 36 * 3600.0, 0.5)


def test_what_is_wrong_is_named_with_what_to_write(tmp_path: Path) -> None:
    text = '[reconcile]\npairs = ["shop-nl > shop"]\nat = "24:00"\nshare = 2\n'
    told = problems(tmp_path, GOOD + text)
    assert any(line.startswith("reconcile.at: is not a time of the day") for line in told)
    assert any(line.startswith("reconcile.share: is too large") for line in told)
    (pair,) = problems(tmp_path, GOOD + '[reconcile]\npairs = ["shop-nl > shop"]\n')
    assert pair == "reconcile.pairs[0]: is no pair that a route names. Known here: shop-nl > store."


def test_beat_is_told_of_each_pair_and_keeps_a_process_for_it(tmp_path: Path) -> None:
    quiet, nightly = read(tmp_path, GOOD), read(tmp_path, GOOD + '[reconcile]\nat = "01:30"\n')
    entry = app._schedule(nightly)["reconcile shop-nl store"]
    assert (entry["task"], entry["args"]) == ("tasks.reconcile", ("shop-nl", "store"))
    assert entry["schedule"].hour == {1}
    assert entry["schedule"].minute == {30}
    assert not any(name.startswith("reconcile") for name in app._schedule(quiet))
    assert app._processes(nightly) == app._processes(quiet) + 1
