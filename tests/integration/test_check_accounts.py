"""`intake check` by account: each fault has its own line, and no account waits for another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.sandbox import Sandbox
from support.settings_texts import NO_REDIS, NOWHERE, Configured, dropday, retailcrm, route, table
from worker.cli.setup.account_checks import examine_accounts
from worker.cli.setup.redis_checks import examine_distance
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(base: str, **till: str) -> str:
    """Return settings with one account that works and three that fail, each for another reason."""
    return (
        retailcrm("providers.good", f"{base}/retailcrm/main")
        + retailcrm("providers.key", f"{base}/retailcrm/main").replace("TEST_KEY", "WRONG_KEY")
        + retailcrm("providers.region", f"{base}/nowhere")
        + retailcrm("providers.host")
        + dropday("targets.store", f"{base}/dropday/main")
        + table("producers.erp", secret="env:PRODUCER_SECRET")
        + table("producers.till", **till)
        + "".join(
            route(name, "store", reference=f"{name}:{{external_id}}")
            for name in ("good", "key", "region", "host", "erp", "till")
        )
    )


@pytest.fixture
def accounts(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WRONG_KEY", "wrong-key")
    monkeypatch.setenv("PRODUCER_SECRET", "x" * 32)
    with Sandbox() as box:
        configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID).write(settings(box.base_url))
        yield


def test_each_account_fault_is_reported_on_one_line_with_its_remedy(accounts: None) -> None:
    with Runtime(read_settings()) as rt:
        rt.cursors.pause("good", "status 403")
    result = intake("check")
    lines = {
        line.split(": ")[0].split("  ", 1)[1].strip() + line[:7].strip(): line for line in result.output.splitlines()
    }
    assert result.exit_code == 1
    assert "the credentials work" in lines["provider goodok"]
    assert lines["goodwarning"].endswith("paused: status 403. Fix the cause, then: intake resume good")
    assert lines["provider keyerror"].endswith("Correct the credentials of this account.")
    assert "the url is probably wrong" in lines["provider regionerror"]
    assert lines["provider hosterror"].endswith("that this machine can reach it.")
    assert "the inbox refuses unsigned jobs" in lines["producer tillerror"]
    assert "jobs are signed" in lines["producer erpok"]


def test_check_offline_makes_no_request(accounts: None, configured: Configured) -> None:
    configured.write(settings(NOWHERE, secret="env:PRODUCER_SECRET"), redis_url=NO_REDIS)
    result = intake("check", "--offline")
    assert result.exit_code == 0, result.output
    assert "skipped  provider host: not checked" in result.output
    assert "skipped  redis: not checked" in result.output


def test_an_account_without_a_response_does_not_delay_the_others() -> None:
    class Account:
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def check(self) -> None:
            time.sleep(self.seconds)

    class Accounts:
        providers = {"quick": Account(0), "slow": Account(60), "other": Account(0)}  # noqa: RUF012
        targets: dict[str, Account] = {}  # noqa: RUF012

    findings = list(examine_accounts(Accounts(), 0.5))
    assert [(finding.what, finding.state) for finding in findings] == [
        ("provider quick", "ok"),
        ("provider slow", "error"),
        ("provider other", "ok"),
    ]
    assert "no response within" in findings[1].detail


def test_a_slow_redis_and_a_different_clock_are_warnings() -> None:
    assert [finding.state for finding in examine_distance(0.001, 0.1)] == ["ok", "ok"]
    assert [finding.state for finding in examine_distance(0.1, -60)] == ["warning", "warning"]
