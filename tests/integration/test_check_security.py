"""`intake check --security` finds what is open in a deployment, and nothing where it is as the pages say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from chaos.acl import Guarded, guarded
from support.command_line import intake
from support.settings_texts import SHOP_TO_DROPDAY, table
from worker.cli.setup import security_checks
from worker.cli.setup.listening import Listener, listening
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = "a-secret-that-is-long-enough"
PRODUCER = table("producers.web", secret="file:web-secret", **{"for": ["shop"]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("security")) as server:
        for user in ("worker", "default"):
            server.admin.acl_setuser(user, enabled=True, passwords=[f"+{user}-{LONG}"], keys=None, reset=False)
        yield server


@pytest.fixture
def deployment(server: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a deployment as the pages describe it."""
    (tmp_path / "intake.toml").write_text(table("redis", url="env:THE_REDIS") + SHOP_TO_DROPDAY + PRODUCER)
    (tmp_path / "intake.toml").chmod(0o644)
    (tmp_path / "web-secret").write_text(LONG)
    (tmp_path / "web-secret").chmod(0o400)
    tmp_path.chmod(0o755)
    for name, value in {
        "INTAKE_CONFIG": str(tmp_path / "intake.toml"),
        "TEST_KEY": "k-4711-issued",
        "TEST_ACCOUNT": "a-4711-issued",
        "COLUMNS": "80",
        "THE_REDIS": f"redis://worker:worker-{LONG}@127.0.0.1:{server.port}/0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(security_checks, "listening", lambda _: [])
    return tmp_path


def findings(*states: str) -> list[str]:
    found = json.loads(intake("check", "--security", "--json").stdout)
    assert all(each["remedy"] for each in found if each["state"] != "ok")
    return [f"{each['what']}: {each['detail']}" for each in found if each["state"] in states]


def test_a_deployment_as_the_pages_describe_it_has_no_finding(deployment: Path) -> None:
    assert findings("warning", "error", "skipped") == []
    result = intake("check", "--security")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert LONG not in result.stdout


def test_a_user_of_redis_that_may_more_than_intake_needs_is_found(
    deployment: Path, server: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_REDIS", f"redis://default:default-{LONG}@127.0.0.1:{server.port}/0")
    (found,) = findings("warning", "error")
    assert "the user default may do more than Intake needs" in found
    assert "configuration" in found


def test_a_redis_that_lets_everybody_in_is_found(
    redis_url: str, deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_REDIS", redis_url)
    found = findings("error")
    assert any("can connect without a password" in each for each in found)
    assert any("the address has no password" in each for each in found)
    assert intake("check", "--security").exit_code == 1


@pytest.mark.parametrize(
    ("secret", "finding"),
    [
        ("changeme", "password of an example"),
        ("CHANGE-ME-WORKER-and-more", "password of an example"),
        ("shortish-123456", "fewer than"),
    ],
)
def test_a_weak_password_is_found(
    deployment: Path, server: Guarded, monkeypatch: pytest.MonkeyPatch, secret: str, finding: str
) -> None:
    server.admin.acl_setuser("worker", enabled=True, passwords=[f"+{secret}"], keys=None, reset=False)
    monkeypatch.setenv("THE_REDIS", f"redis://worker:{secret}@127.0.0.1:{server.port}/0")
    (found,) = findings("warning", "error")
    assert found.startswith("redis.url: ")
    assert finding in found
    assert secret not in found


def test_the_key_of_an_account_and_the_password_of_flower_are_looked_at(
    deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "Secret")
    monkeypatch.setenv("FLOWER_BASIC_AUTH", f"ada:{LONG},bob:guest")
    assert {each.partition(":")[0] for each in findings("error")} == {
        "providers.shop.api_key",
        "targets.dropday.api_key",
        "FLOWER_BASIC_AUTH (user 2)",
    }


@pytest.mark.parametrize(
    ("name", "mode", "finding"),
    [
        ("web-secret", 0o444, "may read"),
        ("web-secret", 0o440, "may read"),
        ("web-secret", 0o602, "may change"),
        ("intake.toml", 0o666, "may change"),
        (".", 0o775, "may replace files in"),
    ],
)
def test_a_file_that_others_may_read_or_change_is_found(deployment: Path, name: str, mode: int, finding: str) -> None:
    deployment.joinpath(name).chmod(mode)
    (found,) = findings("warning", "error")
    assert finding in found
    assert f"{mode:04o}" in found


def test_an_old_secret_and_an_old_token_are_found(deployment: Path, server: Guarded) -> None:
    ago = time.time() - 400 * 86_400
    os.utime(deployment / "web-secret", (ago, ago))
    server.admin.hset(keys.CONSOLE_TOKENS, "bot", json.dumps({"hash": "x", "role": "viewer", "since": int(ago * 1000)}))
    found = findings("warning")
    server.admin.delete(keys.CONSOLE_TOKENS)
    assert [each.partition(":")[0] for each in found] == ["producers.web.secret", "tokens"]
    assert all("400 days" in each for each in found)


def test_a_connection_that_is_not_encrypted_is_found(deployment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_REDIS", f"redis://worker:{LONG}@redis.example.invalid:6379/0")
    found = [each for each in findings("warning", "error") if "not encrypted" in each]
    assert [each.partition(":")[0] for each in found] == ["redis tls"]


def test_a_process_that_listens_to_other_machines_is_found(deployment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        security_checks,
        "listening",
        lambda _: [Listener("intake receive", "0.0.0.0", 8080), Listener("intake web", "127.0.0.1", 8081)],
    )
    (found,) = findings("warning", "error")
    assert "`intake receive` listens to other machines at 0.0.0.0:8080" in found


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::"])
def test_the_addresses_of_our_processes_are_read_from_the_kernel(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as wire:
        wire.bind((host, 0))
        wire.listen()
        program = "import time, sys; print(1, flush=True); time.sleep(60)"
        command = [sys.executable, "-c", program, "-m", "worker.cli", "receive"]
        with subprocess.Popen(command, pass_fds=[wire.fileno()], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found = listening(os.getuid())
            process.kill()
        assert Listener("intake receive", host, wire.getsockname()[1]) in found
