"""A secret is good for what its kind may do, for as long as it counts; content is as old as its signature."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from schemas.job import sign
from support.settings_files import ENV, GOOD, problems, read
from worker.inbox.reading import BadJob, read_job
from worker.systems.webhook.contract import Call, Refused
from worker.systems.webhooks import senders, webhook_kinds

if TYPE_CHECKING:
    from pathlib import Path

SECRET, FORMER = "new0123456789abcdefghijk", "old0123456789abcdefghijk"
VALUES = ENV | {"NEW": SECRET, "OLD": FORMER}


def settings_of(folder: Path, kind: str | None, more: str = "") -> Any:
    lines = ["[producers.hook]", *([f'kind = "{kind}"'] if kind else []), 'secret = "env:NEW"', 'for = "shop-nl"', more]
    return read(folder, "\n".join([GOOD, *lines, ""]), VALUES)


def push(settings: Any, at: float = 0.0, secret: str = SECRET, **content: Any) -> Any:
    job = json.dumps({"v": 1, "provider": "shop-nl", **(content or {"record": {"id": 1}})})
    signed = sign("hook", secret, int(time.time() + at), job).model_dump_json()
    return read_job(settings, signed.encode(), time.time)


@pytest.mark.parametrize("kind", [None, *webhook_kinds()])
def test_a_secret_is_good_for_what_its_kind_may_do(tmp_path: Path, kind: str | None) -> None:
    settings = settings_of(tmp_path, kind)
    assert push(settings, external_id="7").external_id == "7"
    for content in ({"record": {"id": 1}}, {"order": {"external_id": "7"}}):
        if kind is not None and webhook_kinds()[kind].hints_only:
            with pytest.raises(BadJob) as refused:
                push(settings, **content)
            assert refused.value.code == "not_allowed"
        else:
            assert push(settings, **content)


def test_a_signature_of_the_future_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, None)
    assert push(settings, at=240)
    for ahead in (400, 6 * 86_400):
        with pytest.raises(BadJob) as refused:
            push(settings, at=ahead)
        assert refused.value.code == "signature_age"


def test_a_producer_may_have_a_tolerance_of_its_own(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "signed", 'tolerance = "60s"')
    (sender,) = senders(settings)
    assert push(settings, at=-50)
    for age, ok in ((50, True), (70, False)):
        call = Call(body=sign("hook", SECRET, int(time.time()) - age, "{}").model_dump_json().encode())
        with contextlib.nullcontext() if ok else pytest.raises(Refused):
            sender.prove(call, time.time())
    with pytest.raises(BadJob) as refused:
        push(settings, at=-70)
    assert refused.value.code == "signature_age"
    assert push(settings_of(tmp_path, "signed"), at=-6 * 86_400)


def test_a_job_without_a_time_is_as_old_as_its_signature(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, None)
    older, newer = push(settings, at=-60), push(settings, at=-1)
    assert older.sent_at < newer.sent_at
    assert push(settings, sent_at="2026-01-31T09:30:00Z", record={"id": 1}).sent_at.year == 2026


def test_a_call_that_is_repeated_is_as_old_as_it_was(tmp_path: Path) -> None:
    now = int(time.time())
    (signed,) = senders(settings_of(tmp_path, "signed"))
    job = sign("hook", SECRET, now - 50, json.dumps({"v": 1, "provider": "shop-nl", "external_id": "1"}))
    call = Call(body=job.model_dump_json().encode())
    assert signed.signed_at(call, 1, now) == [now - 50]
    kind = webhook_kinds()["standard"]
    call = Call(headers={"webhook-timestamp": str(now - 50)})
    assert kind("hook", signed.producer, 60).signed_at(call, 2, now) == [now - 50] * 2


def test_two_secrets_count_while_senders_change(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, None, 'former_secret = "env:OLD"')
    assert push(settings, secret=SECRET)
    assert push(settings, secret=FORMER)
    with pytest.raises(BadJob):
        push(settings_of(tmp_path, None), secret=FORMER)
    (sender,) = senders(settings_of(tmp_path, "dropboy", 'former_secret = "env:OLD"'))
    assert sender.former is not None
    assert (sender.secret, sender.former.secret, sender.former.former) == (SECRET, FORMER, None)


@pytest.mark.parametrize("kind", [None, *webhook_kinds()])
def test_a_short_secret_is_refused_for_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    for secret in ("x", "0123456789abcdef012", "whsec_QUJDREVGR0g="):
        monkeypatch.setitem(ENV, "SHORT", secret)
        named = f'kind = "{kind}"\n' if kind else ""
        text = f'{GOOD}\n[producers.hook]\n{named}secret = "env:SHORT"\nfor = "shop-nl"\n'
        (problem,) = problems(tmp_path, text)
        assert problem.startswith("producers.hook.secret: is shorter than 20 characters")
