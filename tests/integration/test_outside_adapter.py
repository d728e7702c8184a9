"""An adapter package outside of Intake gets what a built-in one gets: settings, webhooks, deliveries and reconcile."""

from __future__ import annotations

import hmac
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from click.testing import CliRunner

import tasks.deliver
import tasks.poll
from support.receiver import running_receiver
from support.reconciliation import is_clean, reconcile_pair, references_with
from support.sandbox import Sandbox
from worker.cli import main
from worker.errors import ConfigError
from worker.runtime import Runtime, read_settings
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

OUTSIDE = Path(__file__).parents[1] / "data" / "outside"
CONFIG = """\
[redis]
url = "{redis}"

[providers.shop]
start = "2020-01-01"
kind = "tiny"
url = "{shop}"
api_key = "env:TINY_KEY"
account_id = "env:TINY_ACCOUNT"
poll_every = "1ms"
limit = "none"
shelf = "a1"

[targets.depot]
kind = "tiny"
url = "{depot}"
api_key = "env:TINY_KEY"
account_id = "env:TINY_ACCOUNT"
limit = "none"
shelf = "b2"

[producers.hook]
kind = "tiny"
secret = "env:TINY_SECRET"
for = "shop"
header = "x-signed"

[[routes]]
from = "shop"
to = ["depot"]
reference = "{{provider}}:{{external_id}}"
"""
SECRET = "tiny-secret-0123456789"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the package on the path of this process and of the processes that it starts."""
    registries = (provider_kinds, target_kinds, webhook_kinds)
    monkeypatch.syspath_prepend(str(OUTSIDE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(OUTSIDE), os.environ.get("PYTHONPATH")])))
    for name, value in (("KEY", Sandbox.KEY), ("ACCOUNT", Sandbox.ACCOUNT_ID), ("SECRET", SECRET)):
        monkeypatch.setenv(f"TINY_{name}", value)
    for registry in registries:
        registry.cache_clear()
    yield
    for registry in registries:
        registry.cache_clear()
    sys.modules.pop("tiny", None)


@pytest.fixture
def config(installed: None, tmp_path: Path, redis_url: str) -> Path:
    file = tmp_path / "intake.toml"
    nowhere = "http://127.0.0.1:9"
    file.write_text(CONFIG.format(redis=redis_url, shop=nowhere, depot=nowhere))
    return file


def test_the_settings_accept_the_kinds_and_their_options(config: Path) -> None:
    settings = read_settings(config)
    accounts = settings.providers["shop"], settings.targets["depot"]
    assert [(account.kind, account.options.model_dump()["shelf"]) for account in accounts] == [
        ("tiny", "a1"),
        ("tiny", "b2"),
    ]
    producer = settings.producers["hook"]
    assert (producer.kind, producer.options.model_dump()) == ("tiny", {"header": "x-signed"})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('shelf = "a1"', 'shelv = "a1"', "providers.shop.shelv: is not a setting. Did you mean shelf?"),
        ('shelf = "b2"', "shelf = 2", "targets.depot.shelf: must be text"),
        ('header = "x-signed"', 'heeder = "x"', "producers.hook.heeder: is not a setting. Did you mean header?"),
        ('header = "x-signed"', "header = 1", "producers.hook.header: must be text"),
        ('for = "shop"', "", "producers.hook.for: must name the one provider"),
        ('secret = "env:TINY_SECRET"', "", "producers.hook.secret: is missing"),
    ],
)
def test_the_settings_validate_the_options_of_the_kinds(config: Path, old: str, new: str, problem: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(ConfigError) as refused:
        read_settings(config)
    assert f"intake.toml: {problem}" in str(refused.value)


def test_init_writes_the_options_of_the_kinds(installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["init", "--provider", "tiny:shop", "--target", "tiny:depot", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert result.output.count('# shelf = "all"') == 2


def test_the_webhook_of_an_outside_adapter_is_received(config: Path, redis: Redis) -> None:
    body = b'["7", "8"]'
    signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    with running_receiver(config) as receiver:
        accepted = receiver.post("/hooks/hook", body, {"x-signed": signature})
        forged = receiver.post("/hooks/hook", body, {"x-signed": "0" * 64})
        described = requests.get(f"{receiver.url}/openapi.json", timeout=5).json()["paths"]["/hooks/hook"]["post"]
    assert (accepted.status_code, accepted.json()) == (202, {"accepted": 2, "tiny": "thanks"})
    assert forged.status_code == 401
    assert redis.llen("intake:inbox") == 2
    assert [parameter["name"] for parameter in described["parameters"]] == ["x-signed"]
    assert "thanks" in str(described["responses"]["202"])


def test_reconcile_finds_a_field_that_was_changed_in_its_target(config: Path, redis_url: str, redis: Redis) -> None:
    with Sandbox(systems="dropday", accounts=["dropday:main", "dropday:depot"], limits=["dropday=off"]) as box:
        urls = {"shop": box.url("dropday"), "depot": box.url("dropday", "depot")}
        config.write_text(CONFIG.format(redis=redis_url, **urls))
        box.add_orders(12, system="dropday")
        with Runtime(read_settings(config)) as rt:
            rt.ledger.assume_no_predecessor()
            tasks.poll.poll(rt, "shop", lambda *_: None)
            while rt.lanes["depot"].status()["queued"]:
                tasks.deliver.deliver(rt, "depot", lambda *_: None)
            report = reconcile_pair(rt, "depot")
            assert is_clean(report)
            assert (report.how, report.compared, report.counts["source"]) == ("listed", ("goods", "city"), 12)
            moved, gone = box.orders("dropday", "depot")[:2]
            address = moved["posted"]["shipping_address"] | {"city": "Elsewhere"}
            box.change(moved["reference"], "dropday", account="depot", shipping_address=address)
            box.change(gone["reference"], "dropday", account="depot", deleted=True)
            report = reconcile_pair(rt, "depot")
            (different,) = (finding for finding in report.findings if finding.fault == "different")
            assert (different.reference, different.fields) == (moved["external_id"], ("city",))
            assert references_with(report, "missing") == [gone["external_id"]]
