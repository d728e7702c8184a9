"""Checks that run before there is a Redis keep to the limits as well: one process calls at their pace."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from support.gates import pass_gate
from support.settings_texts import BY_PROVIDER, NO_REDIS, Configured, dropday, retailcrm, route
from worker.runtime import Adapters, Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapters]:
    configured = Configured(tmp_path, NO_REDIS, monkeypatch)
    settings = retailcrm("providers.shop") + retailcrm("targets.crm") + dropday("targets.dropday")
    yield Adapters(read_settings(configured.write(settings + route("shop", "crm", "dropday", reference=BY_PROVIDER))))
    configured.close()


def test_the_calls_of_all_accounts_of_a_limit_are_spaced_together(
    adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, waited = [100.0], []

    def sleep(seconds: float) -> None:
        waited.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr("worker.http.gates.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    accounts = [adapters.settings.providers["shop"], adapters.settings.targets["crm"]]
    for account in accounts * 3:
        pass_gate(adapters.gate_of(account))
    assert waited == [0.1] * 5, "RetailCRM allows ten calls a second for all accounts together"


def test_accounts_of_other_limits_do_not_wait_for_each_other(adapters: Adapters) -> None:
    of = adapters.settings.targets
    assert adapters.gate_of(of["crm"]) is not adapters.gate_of(of["dropday"])


def test_a_command_that_calls_no_account_prepares_no_connections(
    adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("prepared")

    monkeypatch.setattr("worker.http.connection.Connections", refuse)
    with pytest.raises(AssertionError, match="prepared"):
        _ = adapters.targets
    runtime = Runtime(adapters.settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}), offline=True)
    vars(runtime)["settings"] = adapters.settings
    assert set(runtime.lanes) == {"crm", "dropday"}
    runtime.close()
