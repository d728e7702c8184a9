"""The `[reconcile]` table: off by default, and every wrong key is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.settings_files import GOOD, problems, read
from worker import app

if TYPE_CHECKING:
    from pathlib import Path


def test_without_the_table_nothing_is_reconciled(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD).reconcile.pairs == ()


def test_an_empty_table_reconciles_all_pairs_at_three(tmp_path: Path) -> None:
    reconcile = read(tmp_path, GOOD + "[reconcile]\n").reconcile
    assert reconcile.pairs == (("shop-nl", "store"),)
    assert (reconcile.at.hour, reconcile.at.minute, reconcile.range, reconcile.share) == (3, 0, 7 * 86400.0, 0.2)


def test_every_key_of_the_table_is_read(tmp_path: Path) -> None:
    text = '[reconcile]\npairs = ["shop-nl > store"]\nat = "23:05"\nrange = "36h"\nshare = 0.5\n'
    reconcile = read(tmp_path, GOOD + text).reconcile
    assert reconcile.pairs == (("shop-nl", "store"),)
    assert (reconcile.at.hour, reconcile.at.minute, reconcile.range, reconcile.share) == (23, 5, 36 * 3600.0, 0.5)


def test_a_wrong_key_of_the_table_is_refused_with_a_remedy(tmp_path: Path) -> None:
    text = '[reconcile]\npairs = ["shop-nl > shop"]\nat = "24:00"\nshare = 2\n'
    lines = problems(tmp_path, GOOD + text)
    assert any(line.startswith("reconcile.at: is not a time of the day") for line in lines)
    assert any(line.startswith("reconcile.share: is too large") for line in lines)
    (pair,) = problems(tmp_path, GOOD + '[reconcile]\npairs = ["shop-nl > shop"]\n')
    assert pair == "reconcile.pairs[0]: is not a pair of a route. Choose from: shop-nl > store."


def test_beat_schedules_each_pair_and_reserves_a_process_for_it(tmp_path: Path) -> None:
    quiet, nightly = read(tmp_path, GOOD), read(tmp_path, GOOD + '[reconcile]\nat = "01:30"\n')
    entry = app._schedule(nightly)["reconcile shop-nl store"]
    assert (entry["task"], entry["args"]) == ("tasks.reconcile", ("shop-nl", "store"))
    assert entry["schedule"].hour == {1}
    assert entry["schedule"].minute == {30}
    assert not any(name.startswith("reconcile") for name in app._schedule(quiet))
    assert app._processes(nightly) == app._processes(quiet) + 1
