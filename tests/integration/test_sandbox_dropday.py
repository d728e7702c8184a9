"""The simulated Dropday, called over HTTP, and the faults that every system supports."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADERS = {"api-key": Sandbox.KEY, "account-id": Sandbox.ACCOUNT_ID, "Accept": "application/json"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    accounts = [
        "dropday:main",
        "dropday:references:duplicate_has_reference=yes:paginator=flat",
        "dropday:duplicates:dedupe=off",
        "dropday:modes:duplicate_scope=mode",
        "dropday:lag:list_lag=0.6",
        "dropday:lists:orders=130:spread=3600",
        "dropday:faults",
    ]
    with Sandbox(systems="dropday", accounts=accounts) as running:
        yield running


@pytest.fixture
def faulty(box: Sandbox) -> Iterator[Sandbox]:
    yield box
    box.clear_faults()


def order(external_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "source": "Example Shop Dot Org",
        "total": 26.93,
        "shipping_cost": 4.95,
        "email": "info@example.org",
        "shipping_address": {
            "first_name": "Zoë",
            "last_name": "Öztürk",
            "address1": "Jumpstreet 23",
            "postcode": "4500",
            "city": "LA",
            "country": "US",
            "phone": 222222,
        },
        "products": [
            {"external_id": 1, "ean13": 8723521, "name": "Pizza", "quantity": 2, "price": 10.99, "supplier": "Mario"}
        ],
        **fields,
    }


def get(box: Sandbox, path: str, account: str = "main", **params: Any) -> requests.Response:
    return requests.get(f"{box.url('dropday', account)}/api/v1{path}", params=params, headers=HEADERS, timeout=20)


def post(box: Sandbox, body: dict[str, Any], account: str = "main", timeout: float = 20) -> requests.Response:
    return requests.post(f"{box.url('dropday', account)}/api/v1/orders", json=body, headers=HEADERS, timeout=timeout)


def count(box: Sandbox, external_id: str, account: str = "faults") -> int:
    return sum(row["external_id"] == external_id for row in box.orders("dropday", account))


# --- creating ---


def test_the_reference_is_a_number_when_created_and_a_string_when_read(box: Sandbox) -> None:
    shipping = {"cost": 4.95, "name": "Express", "delivery_date": "24-12-2026"}
    response = post(box, order("C-1", shipping=shipping))
    assert (response.status_code, response.json()["message"]) == (200, "Order created")
    reference = response.json()["reference"]
    assert isinstance(reference, int)
    read = get(box, f"/orders/{reference}").json()
    assert (read["reference"], read["external_id"], read["test"], read["total"]) == (
        str(reference),
        "C-1",
        False,
        26.93,
    )
    assert read["shipping_address"]["email"] == "info@example.org"
    assert read["shipping_address"]["phone"] == "222222"
    assert (read["shipping"]["cost"], read["shipping"]["delivery_date"]) == (4.95, "2026-12-24")
    line = read["order_lines"][0]
    assert (line["external_id"], line["ean13"], line["price"]) == ("1", "8723521", 10.99)
    assert line["matched_supplier"] == read["suppliers"][0] == {"id": 1, "name": "Mario"}
    assert line["logs"][0]["status"] == line["current_status"] == "pending"
    assert read["created_at"].endswith("Z")
    assert len(read["created_at"]) == len("2025-09-22T14:30:00.000000Z")


def test_a_repeated_external_id_is_answered_with_200_with_or_without_the_reference(box: Sandbox) -> None:
    for account in ("main", "references"):
        first, second = (post(box, order("C-2"), account) for _ in range(2))
        assert (second.status_code, second.json()["message"]) == (200, "Order already exists")
        assert second.json().get("reference") == (first.json()["reference"] if account == "references" else None)
        assert count(box, "C-2", account) == 1


def test_exactly_one_of_many_concurrent_posts_creates_an_order(box: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(lambda _: post(box, order("C-3")).json()["message"], range(48)))
    assert responses.count("Order created") == 1
    assert count(box, "C-3", "main") == 1
    assert len(box.journal(kind="effect", external_id="C-3")) == 1


def test_a_repeated_order_is_duplicated_with_deduplication_off(box: Sandbox) -> None:
    for _ in range(2):
        post(box, order("C-4"), "duplicates")
    assert count(box, "C-4", "duplicates") == 2


def test_the_scope_of_duplicates_is_the_account_or_the_mode(box: Sandbox) -> None:
    for account, expected in (("main", 1), ("modes", 2)):
        post(box, order("C-5", test=True), account)
        post(box, order("C-5"), account)
        assert count(box, "C-5", account) == expected


def test_errors_have_the_documented_keys_and_messages(box: Sandbox) -> None:
    bad = order("", shipping_address={}, products=[{"name": "Pizza", "quantity": "many", "price": 1}], total=None)
    response = post(box, bad)
    assert (response.status_code, response.json()["message"]) == (422, "Errors")
    errors = response.json()["errors"]
    assert errors["external_id"] == ["The external id field is required."]
    assert errors["shipping_address.firstname"] == ["The shipping address.firstname field is required."]
    assert errors["products.0.external_id"] == ["The products.0.external_id field is required."]
    assert {"total", "products.0.quantity", "shipping_address.city"} < set(errors)
    assert "shipping_address.first_name" not in errors


def test_a_body_that_is_not_json_is_refused(box: Sandbox) -> None:
    url = f"{box.url('dropday')}/api/v1/orders"
    for body in (b"{", b"[]", b""):
        assert requests.post(url, data=body, headers=HEADERS | JSON, timeout=5).status_code == 422


# --- credentials ---


def test_the_root_path_checks_the_credentials(box: Sandbox) -> None:
    assert get(box, "").status_code == 200
    for wrong in ({"api-key": "x"}, {"account-id": "x"}):
        response = requests.get(f"{box.url('dropday')}/api/v1", headers=HEADERS | wrong, timeout=5)
        assert response.status_code == 401
        assert response.json()["error"] == "Invalid or missing api-key or account-id header"


def test_a_caller_that_does_not_accept_json_is_redirected_on_an_error(box: Sandbox) -> None:
    url = f"{box.url('dropday')}/api/v1"
    response = requests.get(url, headers={"api-key": "x"}, allow_redirects=False, timeout=5)
    assert (response.status_code, response.headers["Location"]) == (302, "/login")
    assert response.text.startswith("<html>")


# --- reading ---


def test_the_list_is_newest_first_with_both_paginators(box: Sandbox) -> None:
    seen, url = [], f"{box.url('dropday', 'lists')}/api/v1/orders?per_page=50"
    while url:
        page = requests.get(url, headers=HEADERS, timeout=5).json()
        assert page["meta"]["last_page"] == 3
        seen += [int(row["reference"]) for row in page["data"]]
        url = page["links"]["next"]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 130
    assert "logs" not in page["data"][0]["order_lines"][0]
    flat = get(box, "/orders", "references", per_page=1).json()
    assert "meta" not in flat
    assert (flat["last_page"], flat["prev_page_url"]) == (1, None)
    assert get(box, "/orders", "references", page=9).json()["data"] == []


def test_a_page_of_more_than_a_hundred_is_refused(box: Sandbox) -> None:
    assert get(box, "/orders", "lists", per_page=101).status_code == 422
    assert len(get(box, "/orders", "lists", per_page=100).json()["data"]) == 100
    assert len(get(box, "/orders", "lists").json()["data"]) == 50


def test_the_external_id_filter_matches_parts_and_test_orders_are_shown_on_request(box: Sandbox) -> None:
    for name, test in (("P-1", False), ("P-10", False), ("XP-1", True)):
        post(box, order(name, test=test), "modes")
    shown = [row["external_id"] for row in get(box, "/orders", "modes", external_id="P-1").json()["data"]]
    assert shown == ["P-10", "P-1"]
    with_tests = get(box, "/orders", "modes", external_id="P-1", include_test="true").json()
    assert [row["external_id"] for row in with_tests["data"]] == ["XP-1", "P-10", "P-1"]


def test_date_filters_include_their_bounds(box: Sandbox) -> None:
    middle = datetime.now(UTC) - timedelta(minutes=30)
    naive = f"{middle:%Y-%m-%dT%H:%M:%S}"
    older = get(box, "/orders", "lists", date_to=naive).json()["meta"]["total"]
    newer = get(box, "/orders", "lists", date_from=naive).json()["meta"]["total"]
    assert older > 20
    assert newer > 20
    assert older + newer >= 130
    assert get(box, "/orders", "lists", date_from="yesterday").status_code == 422


def test_a_new_order_can_be_read_before_the_list_shows_it(box: Sandbox) -> None:
    reference = post(box, order("L-1"), "lag").json()["reference"]
    assert get(box, "/orders", "lag", external_id="L-1").json()["data"] == []
    assert get(box, f"/orders/{reference}", "lag").status_code == 200
    time.sleep(0.7)
    assert len(get(box, "/orders", "lag", external_id="L-1").json()["data"]) == 1


def test_an_unknown_reference_is_answered_with_the_documented_404(box: Sandbox) -> None:
    response = get(box, "/orders/nope")
    assert (response.status_code, response.json()["error"]) == (404, "Order with reference 'nope' not found")


def test_a_changed_status_is_set_on_every_line(box: Sandbox) -> None:
    reference = post(box, order("S-1")).json()["reference"]
    box.change(reference, "dropday", current_status="completed")
    assert get(box, f"/orders/{reference}").json()["order_lines"][0]["current_status"] == "completed"
    assert len(get(box, "/orders", external_id="S-1", statuses="completed,failed").json()["data"]) == 1
    assert get(box, "/orders", external_id="S-1", statuses="pending").json()["data"] == []


# --- faults ---


@pytest.mark.parametrize(
    ("kind", "status", "created"),
    [
        ("500_before", 500, 0),
        ("500_after", 500, 1),
        ("502_after", 502, 1),
        ("503", 503, 0),
        ("429", 429, 0),
        ("401", 401, 0),
        ("html", 200, 0),
        ("html_after", 200, 1),
    ],
)
def test_a_call_can_fail_before_or_after_the_write(faulty: Sandbox, kind: str, status: int, created: int) -> None:
    name = f"F-{kind}"
    faulty.fault(f"dropday:create:{kind}:times=1")
    response = post(faulty, order(name), "faults")
    assert response.status_code == status
    assert "reference" not in response.text
    assert count(faulty, name) == created
    assert post(faulty, order(name), "faults").json()["message"] == (
        "Order already exists" if created else "Order created"
    )
    entry = faulty.journal(kind="request", fault=kind)[0]
    assert (entry["status"], entry["did"]) == (status, "created" if created else "nothing")


@pytest.mark.parametrize(("kind", "created"), [("cut_before", 0), ("cut_after", 1), ("truncated", 1)])
def test_a_connection_can_be_cut_before_or_after_the_write(faulty: Sandbox, kind: str, created: int) -> None:
    name = f"F-{kind}"
    faulty.fault(f"dropday:create:{kind}:times=1")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post(faulty, order(name), "faults")
    assert count(faulty, name) == created
    assert faulty.journal(kind="request", fault=kind)[0]["status"] == 0


def test_a_slow_call_is_completed_although_its_caller_has_hung_up(faulty: Sandbox) -> None:
    faulty.fault("dropday:create:slow:seconds=0.5:times=1")
    with pytest.raises(requests.ReadTimeout):
        post(faulty, order("F-slow"), "faults", timeout=0.2)
    assert count(faulty, "F-slow") == 0
    time.sleep(0.6)
    assert count(faulty, "F-slow") == 1
    faulty.fault("dropday:create:slow_after:seconds=0.5:times=1")
    with pytest.raises(requests.ReadTimeout):
        post(faulty, order("F-slow-after"), "faults", timeout=0.2)
    assert count(faulty, "F-slow-after") == 1


def test_a_dripping_response_arrives_byte_by_byte(faulty: Sandbox) -> None:
    faulty.fault("dropday:create:drip:seconds=0.02:times=1")
    start = time.monotonic()
    response = post(faulty, order("F-drip"), "faults", timeout=0.2)
    assert response.json()["message"] == "Order created"
    assert time.monotonic() - start > 0.02 * (len(response.content) - 1)


def test_a_response_can_be_oversized(faulty: Sandbox) -> None:
    faulty.fault("dropday:list:oversize:size=5000000:times=1")
    assert len(get(faulty, "/orders", "faults").content) > 5_000_000


def test_one_record_of_a_page_can_be_broken(faulty: Sandbox) -> None:
    whole = get(faulty, "/orders", "lists").json()["data"]
    faulty.fault("dropday:list:malformed:record=2:field=total:times=1")
    broken = get(faulty, "/orders", "lists").json()["data"]
    assert broken[2]["total"] == "?broken?"
    assert broken[:2] + broken[3:] == whole[:2] + whole[3:]


def test_a_row_can_be_inserted_between_two_pages(faulty: Sandbox) -> None:
    faulty.fault("dropday:list:insert:times=1")
    first, second = (get(faulty, "/orders", "lists", per_page=20, page=page).json()["data"] for page in (1, 2))
    assert first[-1]["reference"] == second[0]["reference"]


def test_a_fault_can_send_a_retry_after(faulty: Sandbox) -> None:
    faulty.fault("dropday:create:503:retry_after=7:times=1")
    assert post(faulty, order("F-retry"), "faults").headers["Retry-After"] == "7"


def test_a_fault_hits_its_share_of_the_calls_of_its_account_and_operation(faulty: Sandbox) -> None:
    faulty.fault("dropday:create:500_after:rate=0.3:account=faults")
    codes = [post(faulty, order(f"F-share-{n}"), "faults").status_code for n in range(100)]
    assert 15 < codes.count(500) < 45
    assert all(count(faulty, f"F-share-{n}") == 1 for n in (0, 50, 99))
    assert post(faulty, order("F-other"), "main").status_code == 200
    assert get(faulty, "/orders", "faults").status_code == 200


def test_a_fault_can_skip_the_first_calls(faulty: Sandbox) -> None:
    faulty.fault("dropday:check:500:skip=2:times=1")
    assert [get(faulty, "").status_code for _ in range(4)] == [200, 200, 500, 200]


def test_an_unknown_fault_is_refused(box: Sandbox) -> None:
    for wrong in ("dropday:create:200", "dropday:create:drip_before", "dropday:create:slow:colour=red", "dropday"):
        with pytest.raises(RuntimeError, match="400"):
            box.fault(wrong)


# --- limits and the journal ---


def test_a_limit_can_be_set_for_any_system_and_changed() -> None:
    with Sandbox(systems="dropday", limits=["dropday=5"]) as box:
        assert [get(box, "").status_code for _ in range(2)] == [200, 429]
        box.limit(dropday=0)
        assert get(box, "").status_code == 200
        stats = box.stats()["dropday"]
        assert (stats["accepted"], stats["refused"]) == (2, 1)


def test_the_journal_file_keeps_every_line_through_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    box = Sandbox(systems="dropday", journal=file).start()
    for name in ("J-1", "J-1", "J-2"):
        post(box, order(name))
    in_memory = box.journal()
    assert box.stop(signal.SIGKILL) == -signal.SIGKILL
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines == in_memory
    assert [lines.pop(0)["kind"] for _ in range(2)] == ["run", "limit"]
    assert [(line["kind"], line["did"], line["external_id"]) for line in lines] == [
        ("effect", "created", "J-1"),
        ("request", "created", "J-1"),
        ("request", "repeated", "J-1"),
        ("effect", "created", "J-2"),
        ("request", "created", "J-2"),
    ]
    request = lines[1]
    assert (request["method"], request["path"], request["status"]) == ("POST", "/dropday/main/api/v1/orders", 200)
    assert request["address"] == "127.0.0.1"
    assert abs(request["wall"] - time.time()) < 30


def test_the_journal_can_be_read_from_a_sequence_number(box: Sandbox) -> None:
    last = box.journal()[-1]["seq"]
    assert box.journal(last) == []
    get(box, "", secret="query")
    (entry,) = box.journal(last)
    assert (entry["did"], entry["path"]) == ("checked", "/dropday/main/api/v1")


def test_no_call_of_these_tests_crashed(box: Sandbox) -> None:
    assert box.journal(did="crashed") == []
