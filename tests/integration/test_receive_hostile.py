"""Senders without a proof cost the receiver next to nothing: genuine webhooks are taken in at once."""

from __future__ import annotations

import base64
import contextlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support import hostile_senders as hostile_module
from support.receiver import SECRETS, Receiver, ordercloud_hash, running_receiver, submit_hook, write_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

HOOK = f"/hooks/crm/{SECRETS['HOOK_CRM']}?id=1"
#: What looks like the hash of a body.
HASH = base64.b64encode(b"x" * 32).decode()


@pytest.fixture(scope="module")
def shared_receiver(tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Iterator[Receiver]:
    file = write_settings(tmp_path_factory.mktemp("receiver"), f"redis://127.0.0.1:{valkey.port}/0")
    with few_files(), running_receiver(file, timeout=5) as receiver:
        yield receiver


@contextlib.contextmanager
def few_files() -> Iterator[None]:
    """Let the processes that start in this block open 256 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    original = subprocess.Popen

    def start(command: Any, **options: Any) -> Any:
        limited = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *command]
        return original(limited, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("support.receiver.subprocess.Popen", start)
        yield
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


@pytest.fixture
def receiver(shared_receiver: Receiver, redis: Redis) -> Receiver:
    shared_receiver.lines.clear()
    return shared_receiver


def head(path: str, length: int = 100, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def assert_taken_in_at_once(receiver: Receiver) -> None:
    body = submit_hook("7")
    for path, sent, headers in ((HOOK, b"", {}), ("/hooks/oc", body, ordercloud_hash(body))):
        assert receiver.post(path, sent, headers).status_code == 202


#: What hostile senders send before they wait.
SENT = {
    "nothing": b"",
    "half a head": b"POST /hooks/crm HTTP/1.1\r\nHost: x\r\n",
    "a wrong token": head("/hooks/crm/wrong-wrong-wrong-wrong"),
    "a body that never comes": head("/hooks/oc", 100, f"X-oc-hash: {HASH}") + b"{",
    "another one": head("/hooks/own") + b"{",
    "no HTTP": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("kind", ["any", *(pytest.param(kind, marks=pytest.mark.repeat) for kind in SENT)])
def test_connections_without_a_proof_hold_up_nobody_and_fill_no_log(receiver: Receiver, kind: str) -> None:
    sent = [SENT[kind]] if kind in SENT else list(SENT.values())
    with contextlib.ExitStack() as hostile:
        for number in range(300):
            wire = hostile.enter_context(closing(socket.create_connection(receiver.address, timeout=10)))
            with contextlib.suppress(OSError):
                wire.sendall(sent[number % len(sent)])
        assert_taken_in_at_once(receiver)
    assert len("".join(receiver.lines)) < 40_000


def test_a_wrong_token_is_refused_before_the_body_arrives(receiver: Receiver) -> None:
    for path, headers in (
        ("/hooks/crm/wrong-wrong-wrong-wrong", ()),
        ("/hooks/boy?secret=wrong", ()),
        ("/hooks/oc", ()),
        ("/hooks/web", ()),
        ("/hooks/web", ("webhook-id: 1", "webhook-timestamp: 1", "webhook-signature: v1,eA==")),
    ):
        with closing(socket.create_connection(receiver.address, timeout=10)) as wire:
            wire.sendall(head(path, 100, *headers))
            # Had it waited for the body, it would be 408.
            assert wire.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_form_of_many_ids_is_refused_before_any_work_is_done(receiver: Receiver) -> None:
    body = ("id=" + ",".join(map(str, range(12_000)))).encode()
    assert receiver.post(HOOK, body).status_code == 413
    responses: list[float] = []
    many = threading.Thread(
        target=lambda: [receiver.post(HOOK, b"id=" + b",".join(b"%d" % n for n in range(9_900))) for _ in range(3)]
    )
    many.start()
    while many.is_alive():
        began = time.monotonic()
        assert requests.get(f"{receiver.url}/health", timeout=5).status_code == 200
        responses.append(time.monotonic() - began)
    assert statistics.median(responses) < 0.5


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_seconds(pid: int) -> float:
    """Return how long a process was ready to run and had no processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


@contextlib.contextmanager
def hostile_senders(receiver: Receiver, count: int) -> Iterator[list[int]]:
    """Let `count` hostile connections attack during the block; yield the numbers of connections, second by second."""
    host, port = receiver.address
    command = [sys.executable, hostile_module.__file__, host, str(port), str(count), repr(list(SENT.values()))]
    numbers: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as senders:
        assert senders.stdout is not None
        output = senders.stdout
        reader = threading.Thread(target=lambda: numbers.extend(map(int, output)), daemon=True)
        reader.start()
        try:
            yield numbers
        finally:
            senders.kill()
            reader.join()


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.repeat) for kind in SENT] + ["any"])
def test_a_sender_without_a_token_costs_a_fraction_of_a_genuine_webhook(
    receiver: Receiver, redis: Redis, kind: str
) -> None:
    sent, pid, count = [SENT[kind]] if kind in SENT else list(SENT.values()), receiver.process.pid, 120
    body = submit_hook("7")
    genuine = head("/hooks/oc", len(body), *(f"{name}: {text}" for name, text in ordercloud_hash(body).items())) + body
    assert_taken_in_at_once(receiver)

    def spent(data: list[bytes], *, answered: bool) -> float:
        before = processor_seconds(pid)
        for number in range(count):
            with closing(socket.create_connection(receiver.address, timeout=10)) as wire:
                wire.sendall(data[number % len(data)])
                if answered:
                    assert wire.recv(65536).startswith(b"HTTP/1.1 202 ")
        assert requests.get(f"{receiver.url}/health", timeout=10).status_code == 200
        return processor_seconds(pid) - before

    commands = redis.info("commandstats")
    hostile = spent(sent, answered=False)
    asked = {name for name, facts in redis.info("commandstats").items() if facts != commands.get(name)}
    assert asked <= {"cmdstat_info"}, "a request without a proof has asked Redis"
    assert hostile < spent([genuine], answered=True) / 2


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_a_thousand_hostile_connections_delay_no_genuine_webhook(tmp_path: Path, redis_url: str) -> None:
    """Measure the delay.

    In `make test`, `test_connections_without_a_proof_hold_up_nobody_and_fill_no_log` with 300 of them.
    """
    with running_receiver(write_settings(tmp_path, redis_url)) as receiver, hostile_senders(receiver, 1000) as numbers:
        time.sleep(3)
        pid, began, took = receiver.process.pid, time.monotonic(), []
        used, waited, connections = processor_seconds(pid), waited_seconds(pid), numbers[-1]
        for number in range(300):
            body = submit_hook(str(number))
            sent = time.monotonic()
            assert receiver.post("/hooks/oc", body, ordercloud_hash(body)).status_code == 202
            took.append(time.monotonic() - sent)
            time.sleep(0.05)
        seconds = time.monotonic() - began
        used, waited, connections = (
            processor_seconds(pid) - used,
            waited_seconds(pid) - waited,
            numbers[-1] - connections,
        )
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"p95 {p95 * 1000:.0f} ms, median {statistics.median(took) * 1000:.0f} ms, {len(took) / seconds:.0f}/s")
        print(f"{connections / seconds:.0f} hostile connections/s; {used / seconds:.0%} of a processor used")
        print(f"ready to run without a processor: {waited / seconds:.0%} of the time (above 5 %: not a quiet machine)")
        print(f"{len(''.join(receiver.lines))} bytes of log")
        assert connections / seconds > 50, "the attack was not what it must be"
        assert p95 < 0.2
