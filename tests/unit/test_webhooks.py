"""Webhooks in the settings, and responses of the receiver that no sender can provoke."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from schemas.job import sign, signature
from support.settings_files import ENV, GOOD, problems, read
from worker.inbox.receiver.hook import Hook, Shared
from worker.inbox.receiver.reading import Reader
from worker.settings.producers import Producer
from worker.systems.webhooks import senders, webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONG = ENV | {"LONG": "0123456789abcdefghij"}


def producer(kind: str, secret: str = "env:LONG", pushes_for: str = '["shop-nl"]') -> str:
    return f'{GOOD}\n[producers.hook]\nkind = "{kind}"\nsecret = "{secret}"\nfor = {pushes_for}\n'


@pytest.mark.parametrize("kind", ["ordercloud", "retailcrm", "dropboy", "standard", "signed"])
def test_a_producer_with_a_kind_is_a_sender(tmp_path: Path, kind: str) -> None:
    (sender,) = senders(read(tmp_path, producer(kind), LONG))
    assert (type(sender), sender.name, sender.provider) == (webhook_kinds()[kind], "hook", "shop-nl")


def test_a_producer_without_a_kind_sends_no_webhooks(tmp_path: Path) -> None:
    assert senders(read(tmp_path, f"{GOOD}\n[producers.web]\n")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'{GOOD}\n[producers.hook]\nkind = "standard"\n', "producers.hook.secret: is missing"),
        (producer("ordercloud", pushes_for="[]"), "producers.hook.for: must name the one provider"),
        (producer("dropboy", "env:KEY"), "producers.hook.secret: is shorter than 20 characters"),
        (producer("retailcrm", "env:KEY"), "producers.hook.secret: is shorter than 20 characters"),
        (producer("standard", "env:KEY"), "producers.hook.secret: is shorter than 20 characters"),
        (producer("magento"), "producers.hook.kind: is not known"),
    ],
)
def test_an_unsafe_webhook_is_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.setitem(ENV, "LONG", LONG["LONG"])
    (problem_line,) = problems(tmp_path, text)
    assert problem_line.startswith(problem)


def test_a_missing_secret_is_reported_once(tmp_path: Path) -> None:
    (problem_line,) = problems(tmp_path, producer("standard"))
    assert "the environment variable LONG is not set" in problem_line


def test_the_signature_of_a_job_is_the_documented_one() -> None:
    # echo -n '1700000000.{"v":1}' | openssl dgst -sha256 -hmac s3cret
    made = sign("hook", "s3cret", 1_700_000_000, '{"v":1}')
    assert made.signature == signature("s3cret", 1_700_000_000, '{"v":1}')
    assert made.signature == "bf81b0df9ab63212348caadf6ab8b1fc3d2c0c0cb838b2f767a6c1f11d1fa717"


def respond(push: Any, shared: Shared) -> Any:
    sender = webhook_kinds()["retailcrm"]("hook", Producer(secret=SecretStr("s"), pushes_for=("shop",)), 60)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"id=7&secret=s",
        "headers": [],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    return asyncio.run(Hook(sender, push, shared).answer(Request(scope, receive)))


def test_an_internal_error_makes_the_sender_retry_and_reveals_nothing() -> None:
    def broken(_: Sequence[str | bytes]) -> None:
        raise KeyError("Ada Lovelace")

    shared = Shared(Reader(65_536, 1))
    response = respond(broken, shared)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert b"Ada" not in response.body
    assert shared.running == 0


def test_the_response_follows_the_push_to_the_inbox() -> None:
    pushed: list[str | bytes] = []
    assert respond(pushed.extend, Shared(Reader(65_536, 1))).status_code == 202
    assert len(pushed) == 1
