"""Commands that only read Redis need no secret: they work in a shell that has no API keys."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.orders import order
from support.settings_texts import Configured, dropboy, dropday, ordercloud, retailcrm, route, table
from worker.errors import ConfigError
from worker.runtime import Runtime, read_settings
from worker.store.orders.ledger import Delivery

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = (
    retailcrm("providers.shop", "env:SHOP_URL")
    + retailcrm("targets.crm", "env:CRM_URL").replace("env:TEST_KEY", "file:crm.key")
    + dropday("targets.dropday")
    + ordercloud("targets.cloud")
    + dropboy("targets.boy")
    + route("shop", "crm", "dropday", "cloud", "boy")
    + table("alarms.to.slack", url="env:ALARMS")
)
READING = (
    "status",
    "status --json",
    "show shop:1",
    "show nowhere",
    "dead list",
    "dead show shop:1",
    "doubt list",
    "cursor show shop",
    "inbox list",
    "inbox show x",
    "health --ready",
    "health --live",
    "metrics --once",
    "report",
    "pause dropday",
    "resume dropday",
)


@pytest.fixture
def bare(configured: Configured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Run an installation once with all its secrets, and then take every one of them away."""
    for name, value in {"SHOP_URL": "https://a.example", "CRM_URL": "https://b.example", "ALARMS": "https://c"}.items():
        monkeypatch.setenv(name, value)
    key = configured.file.parent / "crm.key"
    key.write_text("secret", encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # the report is written there
    rt = configured.open(SETTINGS)
    rt.installation.confirm()
    rt.ledger.accept("dropday", [Delivery(order("1"), "S-1")], "poll shop")
    key.unlink()
    for name in ("SHOP_URL", "CRM_URL", "ALARMS", "TEST_KEY", "TEST_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("words", READING)
@pytest.mark.usefixtures("bare")
def test_a_command_that_calls_no_account_works_without_any_secret(words: str) -> None:
    result = intake(*words.split())
    assert "is not set" not in result.output
    assert "intake.toml:" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception


@pytest.mark.usefixtures("bare")
def test_an_account_whose_secrets_are_not_there_is_the_one_that_the_ledger_knows() -> None:
    with Runtime(read_settings(offline=True)) as rt:
        comparison = rt.installation.compare()
    assert comparison.problems == []
    assert comparison.gone == {}
    assert json.loads(intake("show", "shop:1", "--json").output)["deliveries"][0]["target"] == "dropday"


@pytest.mark.parametrize("words", ["check", "poll shop --dry-run", "show shop:1 --ask", "up", "run worker"])
@pytest.mark.usefixtures("bare")
def test_a_command_that_calls_accounts_names_every_secret_that_is_missing(words: str) -> None:
    result = intake(*words.split())
    assert result.exit_code != 0
    for key in ("providers.shop.api_key", "targets.crm.api_key", "targets.cloud.client_secret", "alarms.to.slack.url"):
        assert key in result.output


def test_the_address_of_redis_is_needed_all_the_same(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    configured.open()
    monkeypatch.delenv("REDIS", raising=False)
    configured.file.write_text(re.sub('url = "redis.*"', 'url = "env:REDIS"', configured.file.read_text("utf-8")))
    with pytest.raises(ConfigError, match=r"redis\.url: the environment variable REDIS is not set"):
        read_settings(offline=True)


@pytest.mark.usefixtures("bare")
def test_the_process_that_sends_alarms_needs_their_address() -> None:
    result = intake("metrics", "--port", "0")
    assert result.exit_code != 0
    assert "alarms.to.slack.url" in result.output
