"""Every command with every fault that an operator meets: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.click_contexts import context_of
from support.command_line import intake, intake_process
from support.settings_texts import NO_REDIS, SHOP_TO_DROPDAY, table
from unit.test_help import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.settings_texts import Configured

#: Commands that run until they are stopped, or that start processes of their own.
RUNNING = {"up", "run", "listen", "receive", "metrics", "web", "demo", "drill", "history", "alarms"}
EXAMPLES = sorted(
    {
        line.strip().partition(" > ")[0].removeprefix("intake ").removeprefix("--config shop.toml ")
        for path in PATHS
        for line in (context_of(path, help_only=True).command.epilog or "").splitlines()[2:3]
    }
)


def break_as_a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def break_as_binary(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")


def break_as_no_toml(file: Path) -> None:
    file.write_text("[providers\n")


def break_by_removal(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("harm", [break_as_a_directory, break_as_binary, break_as_no_toml, break_by_removal])
def test_no_command_shows_a_traceback_for_settings_that_cannot_be_read(
    harm: Callable[[Path], None], configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configured.write()
    (tmp_path / "jobs.jsonl").touch()
    harm(configured.file)
    for example in EXAMPLES:
        if example.split()[0] not in {"demo", "drill", "history"}:
            run_and_judge(example)


def run_and_judge(example: str) -> None:
    result = intake(*shlex.split(example), stdin="n\n")
    assert result.exception is None or isinstance(result.exception, SystemExit), (example, result.exception)
    assert result.exit_code in {0, 1, 2}, example
    assert "Traceback" not in result.output, example
    assert result.exit_code == 0 or "rror" in result.output, (example, result.output)


def test_no_command_shows_a_traceback_while_redis_is_away(
    configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configured.write(redis_url=NO_REDIS)
    monkeypatch.setattr("worker.store.redis.connection.LONG", 0.0)
    monkeypatch.setattr("worker.store.redis.connection.SHORT", 0.0)
    (tmp_path / "jobs.jsonl").touch()
    for example in EXAMPLES:
        if example.split()[0] not in RUNNING:
            run_and_judge(example)


def test_no_command_shows_a_traceback_for_a_file_that_cannot_be_written_or_read(
    configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configured.open()
    folder = tmp_path / "folder"
    folder.mkdir()
    for words in (
        f"report --out {folder}",
        f"report --out {tmp_path}/none/x.html",
        f"push {folder}",
        f"push --record {folder} --provider shop",
        f"push --order {tmp_path}/none --provider shop",
        f"history {tmp_path}/none",
        f"history {configured.file}",
        f"--config {tmp_path}/none/intake.toml init --provider retailcrm --target dropday --yes",
        f"--config {folder} status",
        f"demo --keep {configured.file}",
        f"drill --keep {configured.file}",
    ):
        run_and_judge(words)


def test_a_port_in_use_is_reported(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = table("producers.hook", kind="standard", secret="env:TEST_HOOK", **{"for": ["shop"]})
    web = table("web", default_role="viewer", identity_header="X-User", proxies=["127.0.0.1"])
    configured.write(SHOP_TO_DROPDAY + hook + web)
    monkeypatch.setenv("TEST_HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for words in ("metrics", "receive", "web"):
            result = intake(words, "--port", address.partition(":")[2])
            assert result.exit_code == 2, words
            assert f"Error: {address}: --port: address already in use." in result.output, words
        done = intake_process("sandbox", "--port", address.partition(":")[2])
        assert (done.returncode, done.stderr) == (
            1,
            f"Error: {address}: address already in use. Next: name another --port\n",
        )


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        ("sandbox --help", "aiohttp", "sandbox"),
        ("demo", "aiohttp", "sandbox"),
        ("drill", "aiohttp", "sandbox"),
        ("receive", "uvicorn", "receive"),
        ("web", "jinja2", "web"),
    ],
)
def test_a_missing_extra_is_named(words: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = intake(*words.split())
    assert result.exit_code == 1
    assert f"Error: this command needs the extra `{extra}`: {module} missing." in " ".join(result.output.split())
    assert "pip install --require-hashes -r requirements.lock" in " ".join(result.output.split())


@pytest.mark.repeat  # tests/unit/test_terminal.py shows it without a process
def test_a_reader_that_leaves_ends_a_command_quietly(configured: Configured) -> None:
    """Leave a pipe.

    In `make test`, `test_a_health_check_has_its_exit_code_whatever_becomes_of_its_line`, without a process.
    """
    configured.open()
    command = f"{shlex.quote(sys.executable)} -m worker.cli metrics --once | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
