"""`intake check`, account by account: each fault has a line of its own, and none waits for another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from support.sandbox import Sandbox
from worker.cli import main
from worker.cli.setup.check import examine_accounts, examine_distance
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

CONFIG = """
[redis]
url = "{url}"
[providers.good]
kind = "retailcrm"
url = "{base}/retailcrm/main"
api_key = "env:SEAT_KEY"
[providers.key]
kind = "retailcrm"
url = "{base}/retailcrm/main"
api_key = "env:SEAT_WRONG"
[providers.region]
kind = "retailcrm"
url = "{base}/nowhere"
api_key = "env:SEAT_KEY"
[providers.host]
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:SEAT_KEY"
[targets.store]
kind = "dropday"
url = "{base}/dropday/main"
api_key = "env:SEAT_KEY"
account_id = "env:SEAT_ACCOUNT"
[producers.erp]
secret = "env:SEAT_SECRET"
[producers.till]
{routes}
"""
ROUTES = "".join(
    f'[[routes]]\nfrom = "{name}"\nto = ["store"]\nreference = "{name}:{{external_id}}"\n'
    for name in ("good", "key", "region", "host", "erp", "till")
)


@pytest.fixture
def home(tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with Sandbox() as box:
        config = tmp_path / "intake.toml"
        config.write_text(CONFIG.format(url=redis_url, base=box.base_url, routes=ROUTES))
        monkeypatch.setenv("INTAKE_CONFIG", str(config))
        monkeypatch.setenv("SEAT_KEY", Sandbox.KEY)
        monkeypatch.setenv("SEAT_ACCOUNT", Sandbox.ACCOUNT_ID)
        monkeypatch.setenv("SEAT_WRONG", "wrong-key")
        monkeypatch.setenv("SEAT_SECRET", "x" * 32)
        yield tmp_path


def intake(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def test_each_fault_of_an_account_is_a_line_that_says_what_to_do(home: Path) -> None:
    with Runtime(read_settings()) as rt:
        rt.cursors.pause("good", "status 403")
    result = intake("check")
    lines = {
        line.split(": ")[0].split("  ", 1)[1].strip() + line[:7].strip(): line for line in result.output.splitlines()
    }
    assert result.exit_code == 1
    assert "the credentials work" in lines["provider goodok"]
    assert lines["provider goodwarning"].endswith("paused: status 403. intake resume good")
    assert lines["provider keywrong"].endswith("Correct the credentials of this account.")
    assert lines["provider regionwrong"].endswith("Correct its url: is it the right region and account?")
    assert lines["provider hostwrong"].endswith("is it right, and does this machine reach it?")
    assert "the inbox refuses unsigned jobs" in lines["producer tillwrong"]
    assert "its jobs are signed" in lines["producer erpok"]


def test_offline_nobody_is_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "intake.toml").write_text(
        CONFIG.format(url="redis://127.0.0.1:9/0", base="http://127.0.0.1:9", routes=ROUTES).replace(
            "[producers.till]", "[producers.till]\nsecret = 'env:SEAT_SECRET'"
        )
    )
    result = intake("check", "--offline")
    assert result.exit_code == 0, result.output
    assert "skipped  provider host: not asked" in result.output
    assert "skipped  redis: not asked" in result.output


def test_an_account_that_does_not_answer_holds_up_no_other() -> None:
    class Account:
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def check(self) -> None:
            time.sleep(self.seconds)

    class Accounts:
        providers = {"quick": Account(0), "slow": Account(60), "other": Account(0)}  # noqa: RUF012
        targets: dict[str, Account] = {}  # noqa: RUF012

    found = list(examine_accounts(Accounts(), 0.5))
    assert [(it.what, it.state) for it in found] == [
        ("provider quick", "ok"),
        ("provider slow", "wrong"),
        ("provider other", "ok"),
    ]
    assert "no answer within" in found[1].detail


def test_a_redis_that_is_far_away_or_of_another_time_is_told() -> None:
    assert [it.state for it in examine_distance(0.001, 0.1)] == ["ok", "ok"]
    assert [it.state for it in examine_distance(0.1, -60)] == ["warning", "warning"]
