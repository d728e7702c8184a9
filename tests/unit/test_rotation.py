"""A secret is changed without a refused call, whichever side changes first, for every kind of sender."""

from __future__ import annotations

import json
import time
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest

from schemas.job import sign
from support.receiver import ordercloud_hash, standard_headers, submit_hook
from support.settings_files import ENV, GOOD, read
from worker.inbox.reading import BadJob, read_job
from worker.inbox.receiver.hook import Hook, Shared
from worker.inbox.receiver.reading import Reader
from worker.systems.webhook.contract import Call, Refused
from worker.systems.webhooks import senders, webhook_kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD, NEW = ("whsec_b2xkMDEyMzQ1Njc4OWFiY2RlZmdoaWo=", "whsec_bmV3MDEyMzQ1Njc4OWFiY2RlZmdoaWo=")
#: What the settings of a process hold while a secret changes, in the order of `deploy/docs/change-a-key.md`.
STAGES: Final = ({"secret": "env:OLD"}, {"secret": "env:NEW", "former_secret": "env:OLD"}, {"secret": "env:NEW"})
JOB: Final = json.dumps({"v": 1, "provider": "shop-nl", "external_id": "7"})


def signed_call(secret: str, also: str | None = None) -> Call:
    return Call(body=sign("hook", secret, int(time.time()), JOB, also).model_dump_json().encode())


#: A call of each kind of webhook, by its secret.
CALLS: Final[dict[str, Callable[[str], Call]]] = {
    "signed": signed_call,
    "standard": lambda secret: Call(body=JOB.encode(), headers=standard_headers(JOB, secret=secret)),
    "ordercloud": lambda secret: Call(
        body=submit_hook("7"),
        headers={name.lower(): value for name, value in ordercloud_hash(submit_hook("7"), secret).items()},
    ),
    "retailcrm": lambda secret: Call(body=b"id=7", token=secret),
    "dropboy": lambda secret: Call(body=b'{"data": [{"orderId": "7", "createType": "order"}]}', token=secret),
}


def stage(folder: Path, number: int, kind: str | None) -> Any:
    lines = ["[producers.hook]", 'for = "shop-nl"', *([f'kind = "{kind}"'] if kind else [])]
    lines += [f'{key} = "{value}"' for key, value in STAGES[number].items()]
    return read(folder, "\n".join([GOOD, *lines, ""]), ENV | {"OLD": OLD, "NEW": NEW})


def received(settings: Any, call: Call) -> list[bytes]:
    """Return the jobs that `intake receive` pushes for a call. Raise Refused."""
    pushed: list[Any] = []
    (sender,) = senders(settings)
    hook = Hook(sender, pushed.extend, Shared(Reader(10**6, 1.0)))
    hook._prove(lambda each: each.prove(call, time.time()))
    hook._accept(call)
    return pushed


def test_every_kind_of_webhook_is_tried() -> None:
    assert {*CALLS} == {*webhook_kinds()}


@pytest.mark.parametrize("kind", CALLS)
def test_a_sender_may_change_first_or_last_while_receiver_and_reader_are_a_step_apart(
    tmp_path: Path, kind: str
) -> None:
    settings = [stage(tmp_path, number, kind) for number in range(len(STAGES))]
    for receiver, reader in product(range(3), repeat=2):
        if abs(receiver - reader) > 1:
            continue  # the next step begins when all processes have taken the last one
        for secret in ((OLD,), (OLD, NEW), (NEW,))[receiver]:
            jobs = received(settings[receiver], CALLS[kind](secret))
            assert jobs
            for job in jobs:
                assert read_job(settings[reader], job, time.time).external_id == "7"


@pytest.mark.parametrize("kind", CALLS)
def test_a_secret_that_was_removed_counts_no_more(tmp_path: Path, kind: str) -> None:
    for number, secret in ((0, NEW), (2, OLD)):
        with pytest.raises(Refused) as refused:
            received(stage(tmp_path, number, kind), CALLS[kind](secret))
        assert refused.value.status == 401


@pytest.mark.parametrize("first", ["producer", "reader"])
def test_a_producer_of_the_inbox_may_change_before_or_after_the_reader(tmp_path: Path, first: str) -> None:
    """A producer that signs with both secrets may change before its reader knows the new one."""
    signings: list[tuple[str, str | None]] = [(OLD, None), (NEW, OLD), (NEW, None)]
    readers = [stage(tmp_path, number, None) for number in range(3)]
    steps = (
        [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)] if first == "producer" else [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
    )
    for signing, reader in steps:
        raw = signed_call(*signings[signing]).body
        assert read_job(readers[reader], raw, time.time).external_id == "7"
    for signing, reader in ((2, 0), (0, 2)):
        with pytest.raises(BadJob):
            read_job(readers[reader], signed_call(*signings[signing]).body, time.time)


def test_a_second_signature_is_checked_as_the_first(tmp_path: Path) -> None:
    signed = sign("hook", OLD, int(time.time()), JOB, NEW)
    for altered in ({"job": JOB.replace("7", "8")}, {"at": signed.at - 1}, {"former_signature": "0" * 64}):
        raw = signed.model_copy(update=altered).model_dump_json().encode()
        with pytest.raises(BadJob) as bad:
            read_job(stage(tmp_path, 2, None), raw, time.time)
        assert bad.value.code == "signature"
