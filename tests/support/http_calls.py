"""Calls of an HTTP client, the errors that they raise, and servers that respond slowly."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable

import pytest

from support.http_server import Answerer, Request, Server
from worker.errors import IntakeError, SnoozeError
from worker.http.client import Answer, Client

SECRET = "hunter2"
Serve = Callable[..., Server]
Make = Callable[..., Client]


class RecordingGate:
    """A gate that records its calls, and closes for the requested delay, or for 7 s if none is given."""

    def __init__(self) -> None:
        self.entered = 0
        self.closed: list[float | None] = []

    def enter(self) -> None:
        self.entered += 1

    def depart(self) -> None:
        pass

    def close(self, delay: float | None) -> float:
        self.closed.append(delay)
        return 7.0 if delay is None else delay


def read(client: Client) -> Answer:
    return client.read("/orders", [("apiKey", SECRET)], headers={"Authorization": SECRET})


def write(client: Client) -> Answer:
    return client.write("POST", "/orders", json={"name": SECRET}, headers={"Authorization": SECRET})


def failure_of(call: Callable[[], object]) -> IntakeError:
    """Return the error that `call` raises; fail if a log of the error could contain a secret."""
    with pytest.raises(IntakeError) as caught:
        call()
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
    assert SECRET not in shown
    assert error.__cause__ is None
    assert error.__suppress_context__
    return error


def read_and_write_failures(client: Client) -> tuple[IntakeError, IntakeError]:
    return failure_of(lambda: read(client)), failure_of(lambda: write(client))


def error_types(errors: Iterable[IntakeError]) -> list[type]:
    return [type(error) for error in errors]


def delays(errors: Iterable[IntakeError]) -> list[tuple[float, bool]]:
    """Return the delay that each error requests, and whether its call may have taken effect."""
    requested = []
    for error in errors:
        assert isinstance(error, SnoozeError)
        requested.append((error.delay, error.uncertain))
    return requested


def dripping_headers(server: Callable[[], Server]) -> Answerer:
    return lambda _: server().pieces(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 900, 0.05)


def dripping_body(server: Callable[[], Server]) -> Answerer:
    def answer(_: Request) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
        yield from server().pieces(b"x" * 900, 0.05)

    return answer


def dripping_chunks(server: Callable[[], Server]) -> Answerer:
    def answer(_: Request) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield from server().pieces(b"1\r\nx\r\n" * 900, 0.05, 3)

    return answer


def endless_interim_answers(server: Callable[[], Server]) -> Answerer:
    return lambda _: server().pieces(b"HTTP/1.1 100 Continue\r\n\r\n" * 900, 0.05, 25)


def silence(server: Callable[[], Server]) -> Answerer:
    return lambda _: server().pieces(b"x", 60)
