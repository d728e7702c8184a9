"""The JSON API: where is my order, lists and actions; no call without a token, no personal data for a viewer."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings

from support.command_line import intake
from support.console import Consoles, running_console
from support.console_world import DELIVERED, PERSONAL, REFUSED, SETTINGS, an_order, fill, put
from support.drawn import RANDOM
from support.programs import require_program
from support.settings_texts import NO_REDIS, table
from support.source_texts import ROOT as REPOSITORY
from worker.runtime import read_settings
from worker.store.audit import read_audit
from worker.store.console.tokens import Tokens
from worker.store.console.users import ROLES
from worker.store.redis import keys
from worker.web.api import limits
from worker.web.api.call import ROOT, Call
from worker.web.api.openapi import document
from worker.web.api.routes import CALLS
from worker.web.app import application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Response

    from support.settings_texts import Configured
    from worker.runtime import Runtime
    from worker.store.console.users import Role

each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
#: A body that each call with one accepts.
BODIES: dict[str, dict[str, Any]] = {
    "/providers/{name}/pause": {"reason": "stocktaking"},
    "/targets/{name}/pause": {"reason": "stocktaking"},
    "/providers/{name}/backfill": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-31T00:00:00Z"},
    "/providers/{name}/cursor": {"since": "2026-01-01T00:00:00Z", "seen": "x"},
    "/providers/{name}/cursor/undo": {"seen": "x"},
    "/orders/search": {"email": PERSONAL[2]},
    "/orders/{key}/actions": {"target": "warehouse", "action": "resend", "seen": "x"},
    "/lists/{list}/actions": {"action": "resend", "ids": ["warehouse shop-nl:02"]},
}


class Api:
    """The API, called with the token of a role."""

    def __init__(self, consoles: Consoles, token: str = "") -> None:
        self._browser = consoles.stranger(**({"Authorization": f"Bearer {token}"} if token else {}))

    def get(self, path: str, **query: Any) -> Response:
        response: Response = self._browser.client.get(f"{ROOT}{path}", params=query)
        return response

    def post(self, path: str, body: Any) -> Response:
        response: Response = self._browser.client.post(f"{ROOT}{path}", json=body)
        return response

    def make(self, call: Call) -> Response:
        path = call.path.replace("{key}", "shop-nl:02").replace("{list}", "dead")
        path = path.replace("{name}", "warehouse" if path.startswith("/targets") else "shop-nl")
        query = {"number": "1"} if call.path == "/orders" else {}
        return self.get(path, **query) if call.method == "GET" else self.post(path, BODIES.get(call.path))


@pytest.fixture
def consoles(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    rt = configured.open(SETTINGS + table("web", url="https://intake.example"))
    fill(rt)
    with rt.lanes["warehouse"].drain() as drain:  # the order that waits: a test may add others behind it
        drain.settle([(claim, DELIVERED) for claim in drain.claim(1)])
        drain.leave()
    put(rt, an_order("09", display_id="SHOP-NL-100001"), warehouse=REFUSED, returns=DELIVERED)
    rt.cursors.bury("shop-nl", "77", {"id": 77, "email": PERSONAL[2]}, "items[0].quantity", "is 3 and not a number")
    with running_console(monkeypatch) as consoles:
        yield consoles


@pytest.fixture
def rt(consoles: Consoles) -> Runtime:
    return consoles.console.rt


@pytest.fixture
def apis(consoles: Consoles) -> dict[Role, Api]:
    tokens = Tokens(consoles.console.rt.redis)
    return {role: Api(consoles, tokens.add(role, role) or "") for role in ROLES}


def problem(response: Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    details = response.json()
    assert details["status"] == response.status_code
    assert details["detail"]
    return response.status_code, details["code"]


@each_call
def test_no_call_is_answered_without_a_valid_token(consoles: Consoles, call: Call) -> None:
    known = Tokens(consoles.console.rt.redis).add("gone", "operator") or ""
    Tokens(consoles.console.rt.redis).remove("gone")
    for token in ("", "x", known, known[:-1], f"{known[:-1]}~"):
        response = Api(consoles, token).make(call)
        assert problem(response) == (401, "token")
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert call.role in ROLES


@each_call
def test_a_session_of_the_console_opens_no_call(consoles: Consoles, call: Call) -> None:
    browser = consoles.as_role("operator")
    path = f"{ROOT}{call.path.replace('{key}', 'shop-nl:02').replace('{list}', 'dead').replace('{name}', 'x')}"
    response = browser.get(path) if call.method == "GET" else browser.post(path, {})
    assert problem(response) == (401, "token")


@each_call
def test_a_role_that_is_not_enough_is_refused(apis: dict[Role, Api], call: Call, rt: Runtime) -> None:
    assert call.role is not None
    for role in ROLES[: ROLES.index(call.role)]:
        assert problem(apis[role].make(call)) == (403, "role")
    assert rt.ledger.standing("warehouse", "shop-nl:02").state == "dead"


def test_a_help_desk_asks_where_an_order_is_with_curl(consoles: Consoles, rt: Runtime) -> None:
    require_program("curl")
    token = intake("web", "token", "add", "helpdesk", "--role", "viewer").stdout.strip()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(consoles.app, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/orders?number=SHOP-NL-100001"
        command = ["curl", "-fsS", "-H", f"Authorization: Bearer {token}", url]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    finally:
        server.should_exit = True
        thread.join()
    (order,) = answer["orders"]
    assert (order["key"], order["url"]) == ("shop-nl:09", "https://intake.example/orders/shop-nl%3A09")
    assert {place["target"]: place["state_text"] for place in order["targets"]} == {
        "warehouse": "not delivered",
        "returns": "delivered",
    }
    assert token not in str(rt.redis.hgetall(keys.CONSOLE_TOKENS))


def test_an_order_shows_its_history_its_next_step_and_its_content_to_support_only(apis: dict[Role, Api]) -> None:
    seen = apis["viewer"].get("/orders/shop-nl:02").json()
    warehouse = next(each for each in seen["targets"] if each["target"] == "warehouse")
    assert warehouse["reason"] == REFUSED.detail
    assert warehouse["actions"] == []
    assert "intake dead replay" in warehouse["next"]
    assert warehouse["history"][-1]["event"] == "Could not be delivered"
    assert seen["content"] is None
    assert problem(apis["viewer"].get("/orders/shop-nl:02", content="true")) == (403, "role")
    content = apis["support"].get("/orders/shop-nl:02", content="true").json()["content"]
    assert content["customer"]["email"] == PERSONAL[2]
    assert problem(apis["viewer"].get("/orders/shop-nl:99")) == (404, "order_unknown")


def test_a_viewer_gets_no_personal_data_from_any_call(apis: dict[Role, Api], rt: Runtime) -> None:
    order_keys = [f"shop-nl:0{n}" for n in (1, 2, 4, 5, 7, 9)] + ["shop-de:03", "shop-de:06", "shop-nl:77"]
    paths = [f"/orders/{key}" for key in order_keys]
    paths += [f"/lists/{name}" for name in ("dead", "held", "in_doubt", "records")]
    rt.redis.hset(
        "intake:order:warehouse:shop-nl:02", "fields", json.dumps({"email": [f"{PERSONAL[2]} is not accepted"]})
    )
    for path in paths:
        response = apis["viewer"].get(path)
        assert response.status_code == 200, path
        assert not [value for value in PERSONAL if value in response.text], path
    assert "*** is not accepted" in apis["viewer"].get("/orders/shop-nl:02").text
    assert not [value for value in PERSONAL if value in apis["viewer"].get("/accounts").text]
    refused = apis["viewer"].get("/orders", number=PERSONAL[2])
    assert problem(refused) == (400, "personal")
    assert PERSONAL[2] not in refused.text


def test_an_action_on_an_order_is_done_once_and_recorded(apis: dict[Role, Api], rt: Runtime) -> None:
    (warehouse,) = [each for each in apis["support"].get("/orders/shop-nl:02").json()["targets"] if each["actions"]]
    assert warehouse["actions"] == ["resend"], "discarding needs an operator"
    body = {"target": "warehouse", "action": "resend", "seen": warehouse["seen"]}
    assert problem(apis["support"].post("/orders/shop-nl:02/actions", body | {"action": "discard"})) == (403, "role")
    stale = body | {"seen": "0" * 16}
    assert problem(apis["support"].post("/orders/shop-nl:02/actions", stale)) == (409, "changed")
    assert apis["support"].post("/orders/shop-nl:02/actions", body).json() == {"result": "done"}
    assert problem(apis["operator"].post("/orders/shop-nl:02/actions", body)) == (409, "changed")
    assert rt.ledger.standing("warehouse", "shop-nl:02").state == "queued"
    (act,) = read_audit(rt.redis)
    assert (act.actor.name, act.actor.surface, act.orders) == ("support", "api", ("shop-nl:02",))


def test_many_rows_are_acted_on_by_id_or_by_what_was_seen(apis: dict[Role, Api], rt: Runtime) -> None:
    operator = apis["operator"]
    dead = operator.get("/lists/dead", account="shop-nl").json()
    assert [row["number"] for row in dead["rows"]] == ["#NL-1002", "SHOP-NL-100001"]
    assert [each["count"] for each in dead["reasons"]] == [2]
    by_id = {"action": "resend", "ids": [dead["rows"][0]["id"], "warehouse shop-nl:nothing"]}
    assert operator.post("/lists/dead/actions", by_id).json() == {"done": 1, "left": 1}
    seen = {"action": "discard", "account": "shop-nl", "seen": dead["seen"]}
    assert problem(operator.post("/lists/dead/actions", seen)) == (409, "changed")
    seen["seen"] = operator.get("/lists/dead", account="shop-nl").json()["seen"]
    assert operator.post("/lists/dead/actions", seen).json() == {"done": 1, "left": 0}
    assert rt.ledger.standing("warehouse", "shop-nl:09").state == "discarded"
    sizes = {each["list"]: each["count"] for each in operator.get("/lists").json()["lists"]}
    assert sizes == {"dead": 1, "held": 1, "in_doubt": 1, "records": 1, "jobs": 0}
    for body in (
        {"action": "resend"},
        {"action": "resend", "ids": ["x"], "seen": "x"},
        {"action": "release", "seen": "x"},
    ):
        assert operator.post("/lists/dead/actions", body).status_code == 409


def test_an_account_is_paused_resumed_and_polled_and_the_second_one_sees_why_not(
    apis: dict[Role, Api], rt: Runtime
) -> None:
    operator = apis["operator"]
    for side, name in (("targets", "warehouse"), ("providers", "shop-nl")):
        assert operator.post(f"/{side}/{name}/pause", {"reason": "Stock", "seconds": 60}).json()["result"] == "done"
        again = operator.post(f"/{side}/{name}/pause", {"reason": "Other"})
        assert problem(again) == (409, "changed")
        assert "Stock" in again.json()["detail"]
        paused = {each["name"]: each["paused"] for each in apis["viewer"].get("/accounts").json()[side]}
        assert paused[name] == "Stock"
        if side == "providers":
            assert problem(operator.post("/providers/shop-nl/poll", None)) == (409, "paused")
        assert operator.post(f"/{side}/{name}/resume", None).status_code == 200
        assert problem(operator.post(f"/{side}/{name}/resume", None)) == (409, "changed")
        assert problem(operator.post(f"/{side}/nobody/resume", None)) == (404, "account_unknown")
    assert operator.post("/providers/shop-nl/poll", None).status_code == 200
    assert rt.redis.hget(keys.cursor("shop-nl"), "asked")
    acts = [(act.action, act.accounts, act.actor.surface, act.outcome) for act in read_audit(rt.redis)]
    assert acts[0] == ("poll", ("shop-nl",), "api", "done")
    assert len(acts) == 5


def test_a_backfill_begins_stops_and_continues_and_a_cursor_moves_once(apis: dict[Role, Api], rt: Runtime) -> None:
    operator, path = apis["operator"], "/providers/shop-nl/backfill"
    january = {"since": "2026-01-01T00:00:00+01:00", "until": "2026-02-01T00:00:00Z"}
    assert problem(operator.post(f"{path}/stop", None)) == (409, "changed")
    assert operator.post(path, january).status_code == 200
    assert problem(operator.post(path, january | {"since": "2026-01-02T00:00:00Z"})) == (409, "changed")
    for bad in ({"since": "2026-03-01T00:00:00Z"}, {"since": "0001-01-01T00:00:00+14:00"}):
        assert problem(operator.post(path, january | bad)) == (409, "range")
    assert problem(operator.post(path, january | {"since": "2026-01-01"})) == (400, "invalid")
    assert operator.post(f"{path}/stop", None).status_code == 200
    shown = apis["viewer"].get("/accounts").json()["providers"][0]
    assert (shown["backfill"]["state"], shown["backfill"]["since"]) == ("stopped", "2025-12-31T23:00:00Z")
    assert operator.post(f"{path}/continue", None).status_code == 200
    move = {"since": "2026-01-01T00:00:00Z", "seen": shown["cursor_seen"]}
    before = rt.cursors.status("shop-nl")["value"]
    preview = operator.post("/providers/shop-nl/cursor", move | {"dry_run": True}).json()
    assert preview["result"] == "dry run"
    assert "everything that changed since 2026-01-01 00:00:00 UTC" in preview["text"]
    assert rt.cursors.status("shop-nl")["value"] == before
    assert problem(operator.post("/providers/shop-nl/cursor", move | {"seen": "0"})) == (409, "changed")
    assert operator.post("/providers/shop-nl/cursor", move).json()["result"] == "done"
    assert problem(operator.post("/providers/shop-nl/cursor", move)) == (409, "changed")
    undo = {"seen": apis["viewer"].get("/accounts").json()["providers"][0]["cursor_seen"]}
    assert operator.post("/providers/shop-nl/cursor/undo", undo).json()["result"] == "done"
    assert rt.cursors.status("shop-nl")["value"] == before
    assert problem(operator.post("/providers/shop-nl/cursor/undo", undo)) == (409, "changed")


def test_calls_are_limited_for_each_token_and_for_strangers(
    consoles: Consoles, apis: dict[Role, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.web.api.dispatch.CALLS", 2)
    monkeypatch.setattr("worker.web.api.dispatch.REFUSED", 1)
    assert [apis["viewer"].get("/lists").status_code for _ in range(3)] == [200, 200, 429]
    assert apis["support"].get("/lists").status_code == 200, "each token has a limit of its own"
    assert [Api(consoles).get("/lists").status_code for _ in range(2)] == [401, 429]
    refused = apis["viewer"].get("/lists")
    assert problem(refused) == (429, "too_often")
    assert 1 <= int(refused.headers["retry-after"]) <= limits.WINDOW


def test_what_is_not_a_call_and_what_is_not_valid_is_a_problem_with_details(apis: dict[Role, Api]) -> None:
    api = apis["operator"]
    assert problem(api.get("/nothing")) == (404, "no_such_call")
    assert problem(api.post("/lists", {})) == (405, "no_such_call")
    assert problem(api.get("/lists", more="x")) == (400, "invalid")
    response = api.post("/orders/shop-nl:02/actions", {"target": PERSONAL[2], "action": PERSONAL[2]})
    assert problem(response) == (400, "invalid")
    assert {each["field"] for each in response.json()["errors"]} == {"action", "seen"}
    assert PERSONAL[2] not in response.text


def test_a_redis_that_is_away_is_a_problem_with_a_remedy(configured: Configured) -> None:
    configured.write(SETTINGS, redis_url=NO_REDIS)
    app = application(read_settings(offline=True))
    response = Api(Consoles(app), f"intake_a_{'0' * 48}").get("/lists")
    app.state.console.close()
    assert problem(response) == (503, "away")
    assert response.headers["retry-after"] == "5"


def test_tokens_are_added_listed_and_removed(configured: Configured) -> None:
    configured.open(SETTINGS)
    text = intake("web", "token", "add", "desk", "--role", "viewer").stdout.strip()
    assert text.startswith("intake_desk_")
    assert intake("web", "token", "add", "desk", "--role", "operator").exit_code == 1
    assert intake("web", "token", "add", "De sk", "--role", "operator").exit_code == 2
    listed = intake("web", "token", "list").output
    assert listed.startswith("desk: viewer, since ")
    assert text not in listed
    assert intake("web", "token", "remove", "desk", "--yes").exit_code == 0
    assert "There is no token" in intake("web", "token", "list").output


def test_the_published_document_is_that_of_the_code() -> None:
    published = json.loads((REPOSITORY / "deploy" / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert published == json.loads(intake("web", "openapi").output)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [1, pytest.param(100, marks=pytest.mark.repeat)])
def test_every_call_keeps_to_the_document_whatever_it_is_given(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    import schemathesis  # importing it takes a second of every run

    for name in ("CALLS", "REFUSED"):
        monkeypatch.setattr(f"worker.web.api.dispatch.{name}", 10**6)
    token = Tokens(consoles.console.rt.redis).add("fuzz", "operator")
    limit = hypothesis_settings(
        max_examples=examples, deadline=None, derandomize=not RANDOM, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    schema = schemathesis.openapi.from_dict(document(CALLS))
    schema.app = consoles.app
    count = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is valid
        count += 1

        @limit
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            case.validate_response(response)
            assert response.status_code < 500

        check()
    assert count == len(CALLS)
