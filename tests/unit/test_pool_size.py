"""The number of processes of a worker: it follows from the accounts and from the cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.settings_files import GOOD, read
from worker import app

if TYPE_CHECKING:
    from pathlib import Path

    from worker.settings.load import Settings


def settings(tmp_path: Path, providers: int, more: str = "") -> Settings:
    """Return settings with one target and the given number of providers."""
    shops = "".join(
        f'[providers.s{n}]\nstart = "2020-01-01"\nkind = "shop"\napi_key = "env:KEY"\n'
        f'[[routes]]\nfrom = "s{n}"\nto = ["store"]\n'
        'reference = "{provider}:{external_id}"\n'
        for n in range(providers - 1)
    )
    return read(tmp_path, f'{GOOD}reference = "{{provider}}:{{external_id}}"\n{shops}{more}')


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr("sys.platform", "other")
    monkeypatch.setattr("os.cpu_count", lambda: request.param)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(
    ("cores", "providers", "processes"),
    [(2, 1, 4), (2, 30, 4), (1, 30, 4), (3, 30, 6), (64, 30, 16), (64, 3, 6)],
    indirect=["cores"],
)
def test_a_worker_has_two_processes_for_each_core_if_there_is_work_for_them(
    tmp_path: Path, providers: int, processes: int
) -> None:
    assert app._processes(settings(tmp_path, providers)) == processes


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("cores", [2], indirect=True)
def test_each_pair_to_reconcile_has_a_process_beside_the_others(tmp_path: Path) -> None:
    assert app._processes(settings(tmp_path, 30, '[reconcile]\npairs = ["s0 > store", "s1 > store"]\n')) == 6


@pytest.mark.parametrize(("processes", "spare"), [(2, False), (3, True)])
def test_a_drain_waits_for_orders_only_if_one_process_remains_for_other_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, *, spare: bool
) -> None:
    monkeypatch.setitem(app._pool, "processes", processes)
    assert app.has_spare_processes(settings(tmp_path, 1)) is spare
