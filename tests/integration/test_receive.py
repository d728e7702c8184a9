"""Webhooks of each kind, sent over HTTP to a running receiver: which are trusted, and which jobs reach the inbox."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests
from pydantic import SecretStr

from schemas.job import INBOX
from support.receiver import (
    SECRETS,
    Receiver,
    ordercloud_hash,
    running_receiver,
    signed_job,
    standard_headers,
    submit_hook,
    write_settings,
)
from tasks.ingest import ingest
from worker.runtime import Runtime, read_settings
from worker.settings.producers import Producer
from worker.systems.ordercloud.webhook import OrderCloud
from worker.systems.webhook.contract import Call, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

ORDER = {
    "external_id": "9",
    "status": "new",
    "ordered_at": "2026-01-01T10:00:00+01:00",
    "lines": [{"name": "Mug", "quantity": 2, "unit_price": 49.9}],
    "totals": {"grand": "99.80"},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Path:
    return write_settings(tmp_path_factory.mktemp("receive"), f"redis://127.0.0.1:{valkey.port}/0")


@pytest.fixture(scope="module")
def running(file: Path) -> Iterator[Receiver]:
    with running_receiver(file) as receiver:
        yield receiver


@pytest.fixture
def receiver(running: Receiver, redis: Redis) -> Receiver:
    """Return the receiver of this module, after emptying Redis."""
    return running


@pytest.fixture
def rt(file: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return Runtime(read_settings(file))


def accepted_hints(rt: Runtime) -> set[str]:
    """Return the ids of the hints in the inbox after the reader of the inbox has accepted every job."""
    raw = [job for job in rt.inbox.redis.lrange(INBOX, 0, -1) if isinstance(job, bytes)]
    assert ingest(rt, raw, lambda _, __: None).letters == []
    return {json.loads(json.loads(job)["job"]).get("external_id", "") for job in raw}


def test_the_hash_of_ordercloud_matches_its_own_middleware() -> None:
    # Key, payload and hash are those in the tests of OrderCloud's .NET middleware; the settings refuse so short a key.
    body = (
        b'{"Route":"v1/buyers/{buyerID}/addresses/{addressID}","Verb":"PUT",'
        b'"Request":{"Body":{"City":"Minneapolis"}},"ConfigData":{"Foo":"blah"}}'
    )
    sender = OrderCloud("oc", Producer(secret=SecretStr("myhashkey"), pushes_for=("shop",)), 60)
    call = Call(body, {"x-oc-hash": "4NPw1O9AviSOC1A3C+HqkDutRLNwyABneY/3M2OqByE="})
    sender.prove(call, 0)
    assert sender.jobs(call) == []
    with pytest.raises(Refused):
        sender.prove(Call(body + b" ", call.headers), 0)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (submit_hook("A-1"), {"A-1"}),
        (submit_hook("A-1", Response={"Body": {}, "Headers": None}), {"A-1"}),
        (submit_hook("A-1", RouteParams={"orderid": "é 1"}), {"é 1"}),
        (submit_hook("A-1", Route="v1/orders/{direction}", RouteParams={"direction": "Outgoing"}), {"A-1"}),
        (submit_hook("A-1", Route="v1/orders/{direction}/{orderID}", Verb="DELETE"), set()),
        (submit_hook("A-1", Route="v1/orders/{direction}/{orderID}/lineitems/{lineItemID}", Verb="DELETE"), {"A-1"}),
        (submit_hook("A-1", Route="v1/buyers/{buyerID}", RouteParams={"buyerID": "b"}), set()),
        (submit_hook("A-1", Route=None, RouteParams=None, Verb=None, Response=None), set()),
        (submit_hook("A-1", Route="v1/orders/{direction}", RouteParams=[], Response="gone", Request=None), set()),
    ],
)
def test_a_hook_of_ordercloud_becomes_a_hint_of_its_order(
    receiver: Receiver, rt: Runtime, body: bytes, ids: set[str]
) -> None:
    response = receiver.post("/hooks/oc", body, ordercloud_hash(body))
    assert (response.status_code, response.json()) == (202, {"accepted": len(ids), "proceed": True})
    assert accepted_hints(rt) == ids


def test_a_wrong_or_missing_hash_is_refused(receiver: Receiver, redis: Redis) -> None:
    body = submit_hook("A-1")
    for headers in ({}, ordercloud_hash(body, "guess"), ordercloud_hash(body + b" "), {"X-oc-hash": "é"}):
        assert receiver.post("/hooks/oc", body, headers).status_code == 401
    assert redis.llen(INBOX) == 0


def test_a_repeated_hook_queues_one_fetch(receiver: Receiver, rt: Runtime) -> None:
    body = submit_hook("A-1")
    for _ in range(3):
        assert receiver.post("/hooks/oc", body, ordercloud_hash(body)).status_code == 202
    assert accepted_hints(rt) == {"A-1"}
    assert rt.fetches.count_waiting("shop") == 1


CRM = SECRETS["HOOK_CRM"]


@pytest.mark.parametrize(
    ("sent", "ids"),
    [
        ((f"/hooks/crm?secret={CRM}&id=7",), {"7"}),
        ((f"/hooks/crm/{CRM}", urlencode({"id": "7, 8"})), {"7", "8"}),
        ((f"/hooks/crm/{CRM}?id=6", '{"id": [7, "8", 7]}'), {"6", "7", "8"}),
        (("/hooks/crm", '{"id": 7}', {"Authorization": f"Bearer {CRM}"}), {"7"}),
    ],
)
def test_a_trigger_of_retailcrm_becomes_a_hint_of_each_id(
    receiver: Receiver, rt: Runtime, sent: tuple[Any, ...], ids: set[str]
) -> None:
    response = receiver.post(*sent)
    assert (response.status_code, response.json()) == (202, {"accepted": len(ids)})
    assert accepted_hints(rt) == ids


@pytest.mark.parametrize("body", ["", "id=", '{"id": []}', '{"id": null}', '{"id": {"a": 1}}', '{"id": 1.5}', "{", "é"])
def test_a_trigger_without_an_id_is_refused_with_the_reason(receiver: Receiver, redis: Redis, body: str) -> None:
    response = receiver.post(f"/hooks/crm/{CRM}", body.encode())
    assert (response.status_code, list(response.json())) == (400, ["error"])
    assert redis.llen(INBOX) == 0


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/hooks/crm?id=7", {}),
        ("/hooks/crm?id=7&secret=guess", {}),
        (f"/hooks/crm/{SECRETS['HOOK_BOY']}?id=7", {}),
        ("/hooks/crm?id=7", {"Authorization": "Bearer é"}),
        ("/hooks/crm/%ff%00?id=7", {}),
    ],
)
def test_a_trigger_without_the_secret_is_refused(
    receiver: Receiver, redis: Redis, path: str, headers: dict[str, str]
) -> None:
    assert receiver.post(path, "", headers).status_code == 401
    assert redis.llen(INBOX) == 0


def boy(*rows: Any) -> str:
    return json.dumps({"name": "createOrder", "sent": "2024-04-02T08:15:30.000Z", "data": list(rows)})


def test_a_webhook_of_dropboy_becomes_a_hint_of_each_order(receiver: Receiver, rt: Runtime) -> None:
    body = boy({"orderId": "5acf36d1a2261f5d4edb91b3", "createType": "order"}, {"orderId": "58a0"}, {"eta": 5}, None)
    response = receiver.post(f"/hooks/boy/{SECRETS['HOOK_BOY']}", body)
    assert (response.status_code, response.json()) == (202, {"accepted": 2})
    assert accepted_hints(rt) == {"5acf36d1a2261f5d4edb91b3", "58a0"}
    assert receiver.post("/hooks/boy/guess", body).status_code == 401


@pytest.mark.parametrize("body", ["{}", '{"data": null}', '{"data": {"vehicle": 1}}', '{"data": ["x"]}'])
def test_an_event_of_dropboy_about_something_else_is_accepted_and_ignored(receiver: Receiver, body: str) -> None:
    response = receiver.post(f"/hooks/boy/{SECRETS['HOOK_BOY']}", body)
    assert (response.status_code, response.json()) == (202, {"accepted": 0})


def test_jobs_in_a_standard_webhook_are_accepted_byte_for_byte(receiver: Receiver, rt: Runtime) -> None:
    text = json.dumps([{"v": 1, "provider": "web", "order": ORDER}, {"v": 1, "provider": "shop", "external_id": "é"}])
    response = receiver.post("/hooks/web", text, standard_headers(text))
    assert (response.status_code, response.json()) == (202, {"accepted": 2})
    assert accepted_hints(rt) == {"", "é"}
    with rt.lanes["dropday"].drain() as drain:
        (claim,) = drain.claim(1)
    assert '"unit_price":"49.9"' in claim.payload


def test_a_standard_webhook_must_be_signed_and_recent(receiver: Receiver, redis: Redis) -> None:
    text, now = json.dumps({"v": 1, "provider": "shop", "external_id": "1"}), time.time()
    good = standard_headers(text)
    other = standard_headers(text, secret="whsec_" + "A" * 32)["webhook-signature"]
    refused: list[dict[str, str]] = [
        {},
        standard_headers(text, at=now - 310),
        standard_headers(text, at=now + 310),
        good | {"webhook-signature": other},
        good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")},
        good | {"webhook-signature": "v1,é"},
        good | {"webhook-id": "msg_2"},
        good | {"webhook-timestamp": "now"},
    ]
    for headers in refused:
        assert receiver.post("/hooks/web", text, headers).status_code == 401
    assert receiver.post("/hooks/web", text + " ", good).status_code == 401
    assert redis.llen(INBOX) == 0
    both = good | {"webhook-signature": f"{other} {good['webhook-signature']}"}
    assert receiver.post("/hooks/web", text, both).status_code == 202


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("hello", "not JSON"),
        ("[" * 30_000, "nested too deep"),
        ('{"v": NaN}', "not JSON"),
        ("7", "the job: Input should be"),
        ("{}", "v: Field required"),
        ('{"v":1,"provider":"shop"}', "give exactly one of"),
        ('{"v":1,"provider":"other","external_id":"1"}', "may push for shop, web only"),
        ('{"v":1,"provider":"shop","record":{"a":"\\ud800"}}', "half a character"),
    ],
)
def test_a_body_that_is_not_a_job_is_refused_with_the_reason_and_affects_no_other(
    receiver: Receiver, redis: Redis, body: str, reason: str
) -> None:
    for text in (body, f'[{{"v":1,"provider":"shop","external_id":"1"}},{body}]'):
        response = receiver.post("/hooks/web", text, standard_headers(text))
        assert response.status_code == 400
        assert reason in response.json()["error"]
    assert redis.llen(INBOX) == 0


def test_signed_jobs_are_accepted_over_http(receiver: Receiver, rt: Runtime) -> None:
    job = {"v": 1, "provider": "shop", "external_id": "1"}
    assert receiver.post("/hooks/own", json.dumps(signed_job(job))).json() == {"accepted": 1}
    many = json.dumps([signed_job(job | {"external_id": "2"}), signed_job(job | {"external_id": "3"})])
    assert receiver.post("/hooks/own", many).json() == {"accepted": 2}
    assert accepted_hints(rt) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (signed_job({"v": 1, "provider": "shop", "external_id": "1"}, secret="guess"), 401),
        (signed_job({"v": 1, "provider": "shop", "external_id": "1"}, producer="web"), 401),
        (signed_job({"v": 1, "provider": "shop", "external_id": "1"}, at=1_700_000_000), 401),
        (signed_job({"v": 1, "provider": "web", "external_id": "1"}), 400),
        (signed_job("hello"), 400),
        ({"v": 1, "provider": "shop", "external_id": "1"}, 400),
    ],
)
def test_a_job_without_a_valid_signature_is_refused(
    receiver: Receiver, redis: Redis, sent: dict[str, Any], status: int
) -> None:
    assert receiver.post("/hooks/own", json.dumps(sent)).status_code == status
    assert redis.llen(INBOX) == 0


def error_and_allow(response: requests.Response) -> tuple[int, str | None]:
    assert list(response.json()) == ["error"]
    return response.status_code, response.headers.get("Allow")


def test_an_unknown_path_or_method_is_refused_with_the_reason(receiver: Receiver) -> None:
    url = receiver.url
    for path in ("/", "/hooks", "/hooks/nobody", "/hooks/oc/token", "/hooks/oc/", "/hooks/shop", "/hooks/crm/a/b"):
        assert error_and_allow(requests.post(url + path, timeout=5)) == (404, None)
    assert error_and_allow(requests.get(f"{url}/hooks/oc", timeout=5)) == (405, "POST")
    assert error_and_allow(requests.put(f"{url}/hooks/crm/token", timeout=5)) == (405, "POST")
    status, allowed = error_and_allow(requests.post(f"{url}/health", timeout=5))
    assert (status, sorted((allowed or "").split(", "))) == (405, ["GET", "HEAD"])


def test_the_log_contains_producers_and_counts_but_no_secret_and_no_content(receiver: Receiver) -> None:
    text = boy({"orderId": "5acf", "customer": "Ada Lovelace"})
    receiver.post(f"/hooks/boy/{SECRETS['HOOK_BOY']}", text)
    receiver.post(f"/hooks/crm?secret={CRM}&id=7", "")
    receiver.post("/hooks/crm?secret=guessed-wrong&id=7", "")
    receiver.post("/hooks/own", json.dumps({"jan@example.com": "Ada Lovelace"}))
    time.sleep(0.3)
    log = "".join(receiver.lines)
    line = next(json.loads(line) for line in reversed(receiver.lines) if '"boy"' in line)
    assert line.items() >= {"event": "hook.answered", "code": 202, "jobs": 1, "bytes": len(text)}.items()
    assert "left_out" not in log
    for word in (*SECRETS.values(), "guessed-wrong", "Ada", "jan@", "5acf"):
        assert word not in log
