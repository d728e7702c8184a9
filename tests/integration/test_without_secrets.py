"""Commands that only read Redis need no secret: they work in a shell that has no API keys."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from support.command_line import intake
from support.orders import order
from support.ports import free_port
from support.settings_texts import Configured, dropboy, dropday, ordercloud, retailcrm, route, table
from worker.errors import ConfigError
from worker.runtime import Runtime, read_settings
from worker.store.orders.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS = (
    retailcrm("providers.shop", "env:SHOP_URL")
    + retailcrm("targets.crm", "env:CRM_URL").replace("env:TEST_KEY", "file:crm.key")
    + dropday("targets.dropday")
    + ordercloud("targets.cloud").replace('client_id = "env:TEST_ACCOUNT"', 'client_id = "env:CLIENT"')
    + dropboy("targets.boy")
    + route("shop", "crm", "dropday", "cloud", "boy")
    + table("alarms.to.slack", url="env:ALARMS")
)
#: What the settings take from the environment and is no secret.
PUBLIC = {"SHOP_URL": "https://a.example", "CRM_URL": "https://b.example", "CLIENT": "client-id"}
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
    for name, value in PUBLIC.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ALARMS", "https://c.example")
    key = configured.file.parent / "crm.key"
    key.write_text("secret", encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # the report is written there
    rt = configured.open(SETTINGS)
    rt.installation.confirm()
    rt.ledger.accept("dropday", [Delivery(order("1"), "S-1")], "poll shop")
    key.unlink()
    for name in (*PUBLIC, "ALARMS", "TEST_KEY", "TEST_ACCOUNT"):
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


#: What calls accounts, and whether it sends alarms as well.
CALLING = {"check": True, "up": True, "poll shop --dry-run": False, "show shop:1 --ask": False, "run worker": False}


@pytest.mark.parametrize("words", CALLING)
@pytest.mark.usefixtures("bare")
def test_a_command_that_calls_accounts_names_every_secret_of_its_own_that_is_missing(words: str) -> None:
    result = intake(*words.split())
    assert result.exit_code != 0
    for key in ("providers.shop.api_key", "targets.crm.api_key", "targets.cloud.client_secret"):
        assert key in result.output
    assert ("alarms.to.slack.url" in result.output) is CALLING[words]


#: Every process that calls no account, and the secret whose lack ends it, if one does.
OTHERS = {"listen": "alarms.to.slack.url", "upkeep": "alarms.to.slack.url", "beat": "", "web": "", "flower": ""}


@pytest.mark.parametrize("name", OTHERS)
def test_a_process_that_calls_no_account_starts_without_the_secrets_of_accounts(
    bare: pytest.MonkeyPatch, name: str
) -> None:
    started: list[tuple[list[str], Mapping[str, str]]] = []
    bare.setattr("worker.cli.run.one.replace_process", lambda *words: started.append(words))
    bare.setenv("FLOWER_BASIC_AUTH", "me:secret")
    bare.setenv("FLOWER_PORT", str(free_port()))
    for public, value in PUBLIC.items():
        bare.setenv(public, value)
    if secret := OTHERS[name]:
        assert f": {secret}: the environment variable ALARMS is not set" in intake("run", name).output
        bare.setenv("ALARMS", "https://c.example")
    result = intake("run", name)
    assert result.exit_code == 0, result.output
    ((_, environ),) = started
    assert environ["INTAKE_PROCESS"] == name


@pytest.mark.usefixtures("bare")
def test_check_skips_the_accounts_whose_secrets_another_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_PROCESS", "receive")
    findings = {finding["what"]: finding for finding in json.loads(intake("check", "--json").stdout)}
    assert {findings[what]["state"] for what in ("provider shop", "target crm", "target boy")} == {"skipped"}
    assert findings["target boy"]["remedy"] == "Check it where the worker runs."
    monkeypatch.setenv("INTAKE_PROCESS", "workers")
    assert "INTAKE_PROCESS: is not a process" in intake("check").output


def test_the_address_of_redis_is_needed_all_the_same(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    configured.open()
    monkeypatch.delenv("REDIS", raising=False)
    configured.file.write_text(re.sub('url = "redis.*"', 'url = "env:REDIS"', configured.file.read_text("utf-8")))
    with pytest.raises(ConfigError, match=r"redis\.url: the environment variable REDIS is not set"):
        read_settings(offline=True)


def test_metrics_are_served_without_the_address_of_alarms_which_others_send(bare: pytest.MonkeyPatch) -> None:
    bare.setattr("worker.cli.status.metrics.threading.Event.wait", lambda *_: True)
    bare.setattr(
        "worker.cli.status.metrics.start_http_server",
        lambda *_: (Mock(server_port=1, RequestHandlerClass=BaseHTTPRequestHandler), None),
    )
    result = intake("metrics", "--port", "0")
    assert result.exit_code == 0, result.output
    assert "sends no alarms (upkeep and listen do): alarms.to.slack.url is not set here" in result.output
