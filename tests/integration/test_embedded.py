"""The embedded Valkey server, as a real process."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
from redis import Redis

from support.command_line import intake
from support.settings_texts import SHOP_TO_DROPDAY
from worker.errors import ConfigError
from worker.store.redis import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.settings_texts import Configured


@contextmanager
def running(data_dir: Path) -> Iterator[tuple[embedded.Embedded, subprocess.Popen[bytes], Redis]]:
    """Run the server of `data_dir` inside the block."""
    prepared = embedded.prepare(data_dir)
    process = subprocess.Popen(prepared.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        embedded.wait_ready(prepared.url, 20)
        with Redis.from_url(prepared.url, decode_responses=True) as client:
            yield prepared, process, client
    finally:
        process.kill()
        process.wait()
        prepared.release()


def test_data_port_and_password_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as (first, process, client):
        client.set("order", "7")
        process.terminate()
        process.wait(10)
    assert embedded.read_url(tmp_path) == first.url
    with running(tmp_path) as (second, _, client):
        assert second.url == first.url
        assert client.get("order") == "7"


def test_data_written_a_second_before_sigkill_survives(tmp_path: Path) -> None:
    with running(tmp_path) as (_, process, client):
        for number in range(1000):
            client.rpush("orders", number)
        time.sleep(1.1)
        process.kill()
        process.wait()
    with running(tmp_path) as (_, _, client):
        assert client.llen("orders") == 1000


def test_the_server_is_configured_for_a_ledger_and_listens_on_loopback_only(tmp_path: Path) -> None:
    with running(tmp_path) as (prepared, process, client):
        expected = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: client.config_get(name)[name] for name in expected} == expected
        listening = [c.laddr.ip for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
        password = urlsplit(prepared.url).password or ""
        assert len(password) >= 24
        assert not any(password in part for part in psutil.Process(process.pid).cmdline())


def test_password_and_data_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with running(tmp_path / "new" / "deep"):
            modes = {
                name: (tmp_path / "new" / "deep" / name).stat().st_mode & 0o777 for name in ("redis.url", "valkey")
            }
            assert modes == {"redis.url": 0o600, "valkey": 0o700}
            assert (tmp_path / "new" / "deep" / "valkey.conf").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


def test_a_password_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    first = embedded.prepare(tmp_path)
    first.release()
    (tmp_path / "redis.url").chmod(0o644)
    second = embedded.prepare(tmp_path)
    second.release()
    assert urlsplit(second.url).port == urlsplit(first.url).port
    assert urlsplit(second.url).password != urlsplit(first.url).password
    assert (tmp_path / "redis.url").stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_replaced_together_with_the_password(tmp_path: Path) -> None:
    first = embedded.prepare(tmp_path)
    first.release()
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", urlsplit(first.url).port or 0))
        owner.listen()
        with running(tmp_path) as (second, _, client):
            assert client.ping()
    assert urlsplit(second.url).port != urlsplit(first.url).port
    assert urlsplit(second.url).password != urlsplit(first.url).password
    assert embedded.read_url(tmp_path) == second.url


def test_a_second_start_in_the_same_directory_is_refused_with_the_owner(tmp_path: Path) -> None:
    with running(tmp_path), pytest.raises(ConfigError) as refused:
        embedded.prepare(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: redis.data_dir: is in use by another `intake up`, process {os.getpid()}."
        " Stop that one first, or name another directory."
    )
    embedded.prepare(tmp_path).release()


def test_a_second_intake_up_ends_with_the_reason(configured: Configured) -> None:
    configured.file.write_text(SHOP_TO_DROPDAY)  # no address of Redis: `intake up` brings one
    first = embedded.prepare(configured.file.parent / ".intake")
    try:
        refused = intake("up", "--yes")
    finally:
        first.release()
    assert (refused.exit_code, "in use by another `intake up`" in refused.output) == (2, True), refused.output


def test_a_lock_of_a_killed_process_does_not_block_a_start(tmp_path: Path) -> None:
    code = "import pathlib, time; from worker.store.redis import embedded"
    code += f"; embedded.prepare(pathlib.Path({str(tmp_path)!r}))"
    holder = subprocess.Popen([sys.executable, "-c", f"{code}; print(1, flush=True); time.sleep(60)"], stdout=-1)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(ConfigError, match="in use by another"):
        embedded.prepare(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    embedded.prepare(tmp_path).release()


def test_a_server_that_outlived_its_supervisor_is_stopped_before_another_opens_its_data(tmp_path: Path) -> None:
    with running(tmp_path) as (first, process, client):
        client.set("order", "7")
        # The supervisor has ended, but its server still runs.
        fcntl.flock(first.lock, fcntl.LOCK_UN)
        again = embedded.prepare(tmp_path)
        assert process.wait(10) == 0
        assert again.url == first.url
        again.release()
    with running(tmp_path) as (_, _, client):
        assert client.get("order") == "7"


def test_a_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refused:
        embedded.prepare(tmp_path / "file" / "intake")
    assert str(refused.value) == (
        f"{tmp_path / 'file' / 'intake'}: redis.data_dir: cannot be written: not a directory."
        " Make room there, or name another directory, or name a Redis in [redis] url."
    )


def test_a_directory_of_another_user_is_reported(tmp_path: Path) -> None:
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
    code = (
        "import os, pathlib; from worker.errors import ConfigError; from worker.store.redis import embedded\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"try: embedded.prepare(pathlib.Path({str(tmp_path)!r}) / 'x')\n"
        "except ConfigError as error: print(error.reason)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "cannot be written: permission denied\n"


def test_a_full_disk_is_reported_and_keeps_the_old_url(tmp_path: Path) -> None:
    first = embedded.prepare(tmp_path)
    first.release()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow: the same failure as on a full disk, apart from its message.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written: file too large"):
            embedded.prepare(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert embedded.read_url(tmp_path) == first.url
    embedded.prepare(tmp_path).release()


def test_a_server_that_does_not_start_is_reported_after_the_timeout(tmp_path: Path) -> None:
    prepared = embedded.prepare(tmp_path)
    prepared.release()
    with pytest.raises(ConfigError, match=r"it is not ready after 0\.2 s"):
        embedded.wait_ready(prepared.url, 0.2)


def test_a_foreign_server_behind_the_url_is_recognised(tmp_path: Path) -> None:
    with running(tmp_path) as (prepared, _, _), pytest.raises(ConfigError, match="another server is on its port"):
        embedded.is_ready(prepared.url.replace("redis://:", "redis://:x"))


def test_a_directory_without_a_server_has_no_url(tmp_path: Path) -> None:
    assert embedded.read_url(tmp_path) is None
