"""Webhooks in the settings, and the ways out of the receiver that no sender can bring about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from schemas.job import sign, signature
from support.settings_files import ENV, GOOD, problems, read
from worker.inbox.receiver.hook import Hook
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
        (producer("standard", "env:KEY"), "producers.hook.secret: is not a secret of Standard Webhooks"),
        (producer("magento"), "producers.hook.kind: is not known"),
    ],
)
def test_a_webhook_that_would_not_be_safe_is_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    monkeypatch.setitem(ENV, "LONG", LONG["LONG"])
    (found,) = problems(tmp_path, text)
    assert found.startswith(problem)


def test_a_secret_that_is_not_set_is_told_once(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, producer("standard"))
    assert "the environment variable LONG is not set" in found


def test_the_signature_of_a_job_is_the_one_that_is_published() -> None:
    # echo -n '1700000000.{"v":1}' | openssl dgst -sha256 -hmac s3cret
    made = sign("hook", "s3cret", 1_700_000_000, '{"v":1}')
    assert made.signature == signature("s3cret", 1_700_000_000, '{"v":1}')
    assert made.signature == "bf81b0df9ab63212348caadf6ab8b1fc3d2c0c0cb838b2f767a6c1f11d1fa717"


def answered(push: Any) -> Any:
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

    return asyncio.run(Hook(sender, push, 65_536, 1).answer(Request(scope, receive)))


def test_a_fault_of_ours_is_not_the_senders_and_it_keeps_what_it_has() -> None:
    def broken(_: Sequence[str | bytes]) -> None:
        raise KeyError("Ada Lovelace")

    answer = answered(broken)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert b"Ada" not in answer.body
    assert Hook.running == 0


def test_the_answer_waits_for_the_inbox() -> None:
    held: list[str | bytes] = []
    assert answered(held.extend).status_code == 202
    assert len(held) == 1
