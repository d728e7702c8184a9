"""The simulated Dropboy, called over HTTP as its documents describe."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from support.http_server import Server, reply
from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"APIkey": Sandbox.KEY}
UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def hooked() -> Iterator[Server]:
    server = Server(lambda _: reply())
    yield server
    server.close()


@pytest.fixture(scope="module")
def box(hooked: Server) -> Iterator[Sandbox]:
    hook = quote(f"{hooked.url}/unguessable", safe="")
    accounts = [
        "dropboy:main:processing=0",
        "dropboy:slow:processing=1",
        "dropboy:late:processing=0:list_lag=1.5",
        "dropboy:full:orders=230:spread=3600:missing_ids=0.1:permission=read",
        "dropboy:oldest:orders=120:order=oldest:default_take=7:max_take=20:info=effective",
        "dropboy:refuses:orders=30:max_take=20:over_max=refuse:order=shuffled:info=absent:rows=bare",
        "dropboy:random:orders=100:order=random:rows=id",
        "dropboy:empty:processing=0:errors=empty:key_status=401:permission=read",
        "dropboy:absent:processing=0:errors=absent:key_status=200:unknown_batch=200:dates=createdAt:ids=32",
        "dropboy:forgets:processing=0:batch_life=0.3",
        "dropboy:kind:processing=0:unknown_fields=ignore:bad_file=refuse:unknown_batch=404",
        "dropboy:annotated:processing=0:required=annotated:repeated=refused:created_ids=shuffled",
        f"dropboy:hooked:processing=0.1:webhook={hook}:webhook_copies=2",
    ]
    with Sandbox(systems="dropboy", accounts=accounts) as running:
        yield running


@pytest.fixture
def faulty(box: Sandbox) -> Iterator[Sandbox]:
    yield box
    box.clear_faults()
    box.limit(dropboy=0)


def order(number: str, **fields: Any) -> dict[str, Any]:
    place = {"address": "Dock Rd 1", "zipCode": "8000", "city": "Århus", "phone": {"prefix": 45, "number": 86120000}}
    window = {"start": "2024-04-02T08:00:00.000Z", "end": "2024-04-02T10:00:00.000Z", "timeType": "between"}
    return {
        "orderNumber": number,
        "orderType": "distribution",
        "origin": place,
        "destination": {**place, "timeWindow": window},
        "cargo": [{"type": "pallet", "amount": 1, "services": []}],
        "price": {"amount": 10000},
        **fields,
    }


def file(*orders: Any) -> bytes:
    return json.dumps({"version": "1.0", "data": [{"contractKey": UUID, "order": row} for row in orders]}).encode()


def get(box: Sandbox, path: str = "", account: str = "main", **params: Any) -> requests.Response:
    url = f"{box.url('dropboy', account)}/public/orders{path}"
    return requests.get(url, params=params, headers=KEY, timeout=20)


def send(box: Sandbox, content: bytes, account: str = "main", kind: str | None = "application/json") -> Any:
    url = f"{box.url('dropboy', account)}/public/orders/batch"
    part = ("orders.json", content) if kind is None else ("orders.json", content, kind)
    return requests.post(url, files={"batch": part}, headers=KEY, timeout=20)


def upload(box: Sandbox, *orders: Any, account: str = "main") -> str:
    response = send(box, file(*orders), account)
    assert (response.status_code, response.json()["success"]) == (200, True)
    return str(response.json()["result"]["batchFileId"])


def status(box: Sandbox, batch_id: str, account: str = "main") -> dict[str, Any]:
    response = get(box, f"/batch/status/{batch_id}", account)
    assert (response.status_code, response.json()["success"]) == (200, True)
    result: dict[str, Any] = response.json()["result"]
    return result


def settled(box: Sandbox, batch_id: str, account: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while (result := status(box, batch_id, account))["status"] == "processing":
        assert time.monotonic() < deadline
        time.sleep(0.03)
    return result


def errors(box: Sandbox, account: str = "main", **fields: Any) -> list[tuple[list[Any], str]]:
    result = status(box, upload(box, order("M-1", **fields), account=account), account)
    assert (result["done"], result["failed"]) == ((0, 1) if result["errors"] else (1, 0))
    return [(error["path"], error["message"]) for error in result["errors"] or []]


def numbers(box: Sandbox, account: str = "main") -> list[str]:
    return [row.get("orderNumber") for row in get(box, account=account).json()["result"]]


# --- the API key ---


def test_a_call_without_the_key_is_refused_and_the_case_of_the_header_does_not_matter(box: Sandbox) -> None:
    url = f"{box.url('dropboy')}/public/orders"
    for name in ("APIkey", "apikey", "APIKEY"):
        assert requests.get(url, headers={name: Sandbox.KEY}, timeout=5).json()["success"] is True
    for headers, text in (({}, "Missing API key"), ({"APIkey": "x"}, "Invalid API key")):
        response = requests.get(url, headers=headers, timeout=5)
        assert response.status_code == 403
        assert response.json() == {"success": False, "errors": [text], "error": text, "result": None}
        for path in ("/batch", "/batch/status/58a0"):
            assert requests.post(url + path, headers=headers, timeout=5).json()["error"] == text


def test_the_status_for_a_wrong_key_is_an_option_of_the_account(box: Sandbox) -> None:
    for account, expected in (("empty", 401), ("absent", 200)):
        response = requests.get(f"{box.url('dropboy', account)}/public/orders", timeout=5)
        assert (response.status_code, response.json()["success"]) == (expected, False)


def test_an_upload_with_a_read_only_key_is_refused(box: Sandbox) -> None:
    for account, expected in (("full", 401), ("empty", 403)):
        response = send(box, file(order("K-1")), account)
        assert (response.status_code, response.json()["error"]) == (expected, "User does not have permission")
        assert "K-1" not in numbers(box, account)


def test_the_errors_field_of_a_success_is_null_empty_or_absent(box: Sandbox) -> None:
    assert get(box, take=1).json()["errors"] is None
    assert get(box, account="empty").json()["errors"] == []
    assert "errors" not in get(box, account="absent").json()
    assert "errors" not in status(box, upload(box, order("E-1"), account="absent"), "absent")
    assert "error" not in get(box).json()


# --- the upload ---


def test_the_documented_upload_by_curl_creates_a_job(box: Sandbox) -> None:
    command = ["curl", "--silent", "--noproxy", "*", "--max-time", "20", "-H", f"APIkey: {Sandbox.KEY}"]
    part = ["-F", "batch=@-;filename=batch.json;type=application/json"]
    url = f"{box.url('dropboy')}/public/orders/batch"
    text = subprocess.run([*command, *part, url], check=True, capture_output=True, input=file(order("U-1"))).stdout
    response = json.loads(text)
    assert (response["success"], response["errors"], response["result"].keys()) == (True, None, {"batchFileId"})
    result = status(box, response["result"]["batchFileId"])
    (job_id,) = result["createdOrderIds"]
    assert result == {
        "status": "completed",
        "progress": 100,
        "done": 1,
        "failed": 0,
        "createdOrderIds": [job_id],
        "errors": None,
    }
    job = get(box).json()["result"][0]
    assert (len(job_id), job["id"], job["destination"]["city"]) == (24, job_id, "Århus")
    assert (job["price"], job["created"][-5], job["created"][-1]) == ({"amount": 10000}, ".", "Z")
    (effect,) = box.journal(kind="effect", system="dropboy", did="created", external_id="U-1")
    assert effect["reference"] == job_id


def test_a_file_is_processed_slowly_and_its_jobs_are_listed_only_at_the_end(box: Sandbox) -> None:
    batch_id = upload(box, *(order(f"S-{n}") for n in range(6)), account="slow")
    seen = []
    while (result := status(box, batch_id, "slow"))["status"] == "processing":
        listed = numbers(box, "slow")
        if status(box, batch_id, "slow")["status"] == "processing":
            assert listed == []
        seen.append((result["progress"], result["done"]))
        time.sleep(0.02)
    assert seen == sorted(seen)
    assert any(0 < progress < 100 for progress, _ in seen)
    assert (result["progress"], result["done"]) == (100, 6)
    assert numbers(box, "slow") == [f"S-{n}" for n in reversed(range(6))]


def test_a_list_can_lag_behind_the_status_of_a_file(box: Sandbox) -> None:
    batch_id = upload(box, order("L-1"), account="late")
    assert status(box, batch_id, "late")["status"] == "completed"
    assert numbers(box, "late") == []
    time.sleep(1.6)
    assert numbers(box, "late") == ["L-1"]


def test_a_repeated_order_number_creates_a_second_job(box: Sandbox) -> None:
    first, second = (status(box, upload(box, order("D-1")))["createdOrderIds"] for _ in range(2))
    assert first != second
    assert numbers(box).count("D-1") == 2
    assert len(box.journal(kind="effect", did="created", external_id="D-1")) == 2


def test_valid_rows_create_jobs_and_invalid_rows_are_reported_by_index(box: Sandbox) -> None:
    bad = order("R-1")
    bad["origin"] = {**bad["origin"], "phone": {"prefix": 45, "number": "86120000"}}
    result = status(box, upload(box, order("R-0"), bad, order("R-2"), "no order"))
    assert (result["status"], result["done"], result["failed"], len(result["createdOrderIds"])) == (
        "completed",
        2,
        2,
        2,
    )
    assert result["errors"] == [
        {"index": 1, "path": ["", "origin", "phone", "number"], "message": "should be number,null"},
        {"index": 3, "path": [""], "message": "should be object"},
    ]
    assert [number for number in numbers(box) if number.startswith("R-")] == ["R-2", "R-0"]


PLACE = {"address": "High St 9"}


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"price": {"amount": "10000"}}, ["price", "amount"], "should be number"),
        ({"price": 10000}, ["price"], "should be object"),
        ({"orderNumber": 1}, ["orderNumber"], "should be string"),
        ({"orderType": "express"}, ["orderType"], "should be equal to one of the allowed values"),
        ({"cargo": {}}, ["cargo"], "should be array"),
        ({"cargo": [{"amount": 1}, {"amount": "1"}]}, ["cargo", 1, "amount"], "should be number"),
        ({"pickuped": "no"}, ["pickuped"], "should be boolean"),
        ({"origin": "here"}, ["origin"], "should be object"),
        ({"sender": {"zipCode": 8000}}, ["sender", "zipCode"], "should be string"),
        ({"origin": {"phone": "+45 86120000"}}, ["origin", "phone"], "should be object"),
        ({"origin": {"phone": {"prefix": True}}}, ["origin", "phone", "prefix"], "should be number,null"),
        ({"origin": {"phone": {"number": 1.5}}}, ["origin", "phone", "number"], "should be integer"),
        (
            {"destination": {"timeWindow": {"start": "2024-04-02T08:00:00Z"}}},
            ["destination", "timeWindow", "start"],
            'should match format "date-time"',
        ),
        (
            {"destination": {"timeWindow": {"timeType": "soon"}}},
            ["destination", "timeWindow", "timeType"],
            "should be equal to one of the allowed values",
        ),
        ({"id": "1"}, ["id"], "should NOT have additional properties"),
        ({"origin": {"street": "1"}}, ["origin", "street"], "should NOT have additional properties"),
    ],
)
def test_a_wrong_field_is_reported_by_its_path(
    box: Sandbox, fields: dict[str, Any], path: list[Any], message: str
) -> None:
    assert errors(box, **fields) == [(["", *path], message)]


def test_missing_fields_are_reported_and_the_contract_key_must_be_a_uuid(box: Sandbox) -> None:
    rows = [{"order": {"origin": PLACE}}, {"contractKey": "mine", "order": order("W-1")}, {"order": order("W-2")}]
    content = json.dumps({"version": "1.0", "data": rows}).encode()
    result = status(box, send(box, content).json()["result"]["batchFileId"])
    assert [(error["index"], error["path"], error["message"]) for error in result["errors"]] == [
        (0, [""], "should have required property 'destination'"),
        (1, ["", "contractKey"], 'should match format "uuid"'),
    ]
    assert result["done"] == 1


def test_a_phone_can_be_null_and_unknown_fields_can_be_ignored(box: Sandbox) -> None:
    assert errors(box, origin={"phone": {"prefix": None, "number": None}}) == []
    assert errors(box, "kind", shop="1", origin={"street": "1"}) == []


def test_annotated_fields_can_be_required_and_repeated_numbers_refused(box: Sandbox) -> None:
    bare = {"origin": PLACE, "destination": PLACE}
    result = status(box, upload(box, bare, account="annotated"), "annotated")
    assert [error["message"].split()[-1] for error in result["errors"]] == ["'orderNumber'", "'orderType'"]
    result = status(box, upload(box, order("A-1"), order("A-1"), account="annotated"), "annotated")
    assert (result["done"], result["errors"][0]["path"]) == (1, ["", "orderNumber"])
    assert status(box, upload(box, bare))["done"] == 1


def test_created_ids_can_be_in_another_order_than_the_rows(box: Sandbox) -> None:
    batch_id = upload(box, *(order(f"O-{n}") for n in range(20)), account="annotated")
    created = [row["id"] for row in box.orders("dropboy", "annotated") if row["orderNumber"].startswith("O-")]
    ids = status(box, batch_id, "annotated")["createdOrderIds"]
    assert (ids != created, sorted(ids)) == (True, sorted(created))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", file(), b'{"data": []}', b'{"version": "1.0"}', b'{"version":"1.0","data":[NaN]}', b"\xff"],
)
def test_an_unusable_file_fails_as_a_whole(box: Sandbox, content: bytes) -> None:
    for account in ("main", "kind"):
        before = box.stats()["dropboy"]["orders"][account]
        response = send(box, content, account)
        if account == "kind":
            assert (response.status_code, response.json()["error"]) == (400, "File upload failed")
        else:
            result = status(box, response.json()["result"]["batchFileId"])
            assert (result["status"], result["done"], result["createdOrderIds"]) == ("failed", 0, [])
        assert box.stats()["dropboy"]["orders"][account] == before


def test_the_part_must_be_a_json_file_named_batch(box: Sandbox) -> None:
    url, content = f"{box.url('dropboy')}/public/orders/batch", file(order("P-1"))
    part = ("orders.json", content, "application/json")
    head = b'Content-Disposition: form-data; name="batch"; filename="f"\r\nContent-Type: application/json'
    mixed = b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    for expected, response in (
        (415, send(box, content, kind=None)),
        (415, send(box, content, kind="text/plain")),
        (415, requests.post(url, data=content, headers=KEY | {"Content-Type": "application/json"}, timeout=5)),
        (415, requests.post(url, files={"batch": part}, headers=KEY | {"Content-Type": "application/json"}, timeout=5)),
        (415, requests.post(url, data=mixed, headers=KEY | {"Content-Type": "multipart/mixed; boundary=b"}, timeout=5)),
        (415, requests.post(url, data=mixed[:-9], headers=KEY | form, timeout=5)),
        (415, requests.post(url, data=b"x", headers=KEY | {"Content-Type": "multipart/form-data"}, timeout=5)),
        (400, requests.post(url, files={"file": part}, headers=KEY, timeout=5)),
        (400, requests.post(url, files=[("batch", part), ("batch", part)], headers=KEY, timeout=5)),
        (400, requests.post(url, files={"batch": (None, content, "application/json")}, headers=KEY, timeout=5)),
    ):
        assert (response.status_code, response.json()["errors"]) == (expected, ["File upload failed"])
    assert "P-1" not in numbers(box)
    assert requests.post(url, data=mixed, headers=KEY | form, timeout=5).json()["success"] is True
    assert send(box, content, kind="application/json; charset=utf-8").json()["success"] is True


def test_the_status_of_an_unknown_batch_is_an_error(box: Sandbox) -> None:
    for account, expected in (("main", 400), ("kind", 404), ("absent", 200)):
        response = get(box, "/batch/status/58a014865b09850011050000", account)
        assert (response.status_code, response.json()["success"]) == (expected, False)


def test_a_batch_can_be_forgotten_while_its_job_remains(box: Sandbox) -> None:
    batch_id = upload(box, order("F-1"), account="forgets")
    time.sleep(0.4)
    assert get(box, f"/batch/status/{batch_id}", "forgets").json()["error"] == "Batch file not found"
    assert numbers(box, "forgets") == ["F-1"]


# --- the list ---


def walk(box: Sandbox, account: str, take: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = get(box, account=account, take=take, skip=len(rows)).json()["result"]
        rows += page
        if len(page) < take:
            return rows


def test_take_and_skip_page_through_the_list_newest_first(box: Sandbox) -> None:
    rows = walk(box, "full", 50)
    assert [row["id"] for row in rows] == [row["id"] for row in reversed(box.orders("dropboy", "full"))]
    assert [row["created"] for row in rows] == sorted((row["created"] for row in rows), reverse=True)
    assert len(rows) == 230
    page = get(box, account="full", take=3, skip=228, orderNumber="x").json()
    assert (len(page["result"]), page["info"]) == (2, {"take": 3, "skip": 228})
    assert page.keys() == {"success", "errors", "result", "info"}
    assert 0 < sum("orderNumber" not in row for row in rows) < 60


def test_take_has_a_default_and_is_silently_cut_to_its_maximum(box: Sandbox) -> None:
    assert len(get(box, account="full").json()["result"]) == 50
    assert len(get(box, account="full", take=1000).json()["result"]) == 200
    page = get(box, account="oldest", skip=1).json()
    assert (len(page["result"]), page["info"]) == (7, {"take": 7, "skip": 1})
    page = get(box, account="oldest", take=50).json()
    assert (len(page["result"]), page["info"]) == (20, {"take": 20, "skip": 0})


def test_a_take_that_is_too_large_or_not_a_number_is_refused(box: Sandbox) -> None:
    assert get(box, account="refuses", take=21).status_code == 400
    assert "info" not in get(box, account="refuses", take=20).json()
    for wrong in ({"take": "all"}, {"take": -1}, {"skip": "1.5"}):
        assert (get(box, **wrong).status_code, get(box, **wrong).json()["success"]) == (400, False)


def test_a_new_job_shifts_the_rows_of_a_list_that_is_newest_first(box: Sandbox) -> None:
    for account, moved in (("full", 1), ("oldest", 0)):
        first = get(box, account=account, take=10).json()["result"]
        box.add_orders(1, "dropboy", account)
        second = get(box, account=account, take=10, skip=10).json()["result"]
        assert len({row["id"] for row in first} & {row["id"] for row in second}) == moved


def test_the_fault_insert_adds_a_job_after_a_page_was_read(faulty: Sandbox) -> None:
    faulty.fault("dropboy:list:insert:times=1:account=oldest")
    before = faulty.stats()["dropboy"]["orders"]["oldest"]
    get(faulty, account="oldest")
    assert faulty.stats()["dropboy"]["orders"]["oldest"] == before + 1


def test_the_rows_of_a_page_or_of_the_whole_list_can_be_unordered(box: Sandbox) -> None:
    pages = [[row["id"] for row in get(box, account="refuses", take=20).json()["result"]] for _ in range(2)]
    assert pages[0] != pages[1]
    assert sorted(pages[0]) == sorted(pages[1])
    ids = [row["id"] for row in walk(box, "random", 20)]
    assert len(set(ids)) < len(ids) == 100


def test_rows_can_be_bare_or_ids_only_with_other_dates_and_longer_ids(box: Sandbox) -> None:
    assert get(box, account="refuses").json()["result"][0].keys() == {"id", "wuxusNumber", "status"}
    assert get(box, account="random").json()["result"][0].keys() == {"id"}
    upload(box, order("I-1"), account="absent")
    row = get(box, account="absent").json()["result"][0]
    assert (len(row["id"]), "createdAt" in row, "created" in row) == (32, True, False)


def test_made_up_jobs_pass_the_checks_of_an_upload(box: Sandbox) -> None:
    kept = {"id", "wuxusNumber", "status", "created"}
    orders = [{k: v for k, v in row.items() if k not in kept} for row in walk(box, "full", 200)]
    result = status(box, upload(box, *orders))
    assert (result["errors"], result["failed"]) == (None, 0)


def test_a_single_order_cannot_be_read_and_a_wrong_method_is_refused(box: Sandbox) -> None:
    row = get(box, account="full", take=1).json()["result"][0]
    assert get(box, f"/{row['id']}", "full").status_code == 404
    response = requests.post(f"{box.url('dropboy')}/public/orders", headers=KEY, timeout=5)
    assert (response.status_code, response.json()["success"]) == (405, False)


def test_a_job_can_be_tracked_changed_and_deleted(box: Sandbox) -> None:
    job_id = box.add_order(order("T-1"), "dropboy")
    box.change(job_id, "dropboy", status="delivered", requisition="Q")
    tracked = get(box, f"/track/{job_id}/key/any/type/delivery").json()["result"]
    assert (tracked["orderNumber"], tracked["status"], tracked["requisition"]) == ("T-1", "delivered", "Q")
    assert (tracked["type"], tracked["orderData"]["between"]) == ("delivery", True)
    box.change(job_id, "dropboy", deleted=True)
    assert get(box, f"/track/{job_id}/key/any/type/pickup").json()["success"] is False
    assert "T-1" not in numbers(box)


# --- limits, faults, webhooks ---


def test_a_call_over_the_limit_is_answered_with_429(faulty: Sandbox) -> None:
    faulty.limit(dropboy=30)
    get(faulty)
    response = get(faulty)
    assert (response.status_code, response.json()["success"]) == (429, False)


def test_a_job_is_created_if_only_the_response_is_lost(faulty: Sandbox) -> None:
    for kind, expected in (("cut_after", 1), ("cut_before", 0), ("500_after", 1)):
        faulty.fault(f"dropboy:create:{kind}:times=1:account=main")
        if kind == "500_after":
            response = send(faulty, file(order(kind)))
            assert (response.status_code, response.json()["success"]) == (500, False)
        else:
            with pytest.raises(requests.ConnectionError):
                send(faulty, file(order(kind)))
        assert (kind, numbers(faulty).count(kind)) == (kind, expected)


def test_the_fault_malformed_breaks_a_record_of_a_page(faulty: Sandbox) -> None:
    faulty.fault("dropboy:list:malformed:record=1:times=1:field=orderNumber")
    assert get(faulty, account="full").json()["result"][1]["orderNumber"] == "?broken?"


def test_an_unsigned_webhook_reports_each_new_job(box: Sandbox, hooked: Server) -> None:
    (job_id,) = settled(box, upload(box, order("H-1"), account="hooked"), "hooked")["createdOrderIds"]
    deadline = time.monotonic() + 10
    while len(hooked.requests) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    for request in hooked.requests:
        body = json.loads(request.body)
        assert (request.method, request.target, body.keys()) == ("POST", "/unguessable", {"name", "sent", "data"})
        assert (body["name"], body["sent"][-1]) == ("createOrder", "Z")
        assert body["data"][0].keys() == {"orderId", "wuxusNumber", "createType"}
        assert (body["data"][0]["orderId"], body["data"][0]["createType"]) == (job_id, "order")
    assert len(hooked.requests) == 2
