"""Two people act on the same order at the same moment: one wins, the other sees why, and it is done once."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration.test_console_api import Api
from integration.test_console_correct import form_of
from support.console import Consoles, running_console
from support.console_world import DOUBTFUL, HELD, REFUSED, SETTINGS, an_order, put
from worker.operations.bulk import ACTIONS
from worker.operations.decisions import DECISIONS
from worker.store.audit import read_audit, record
from worker.store.console.tokens import Tokens
from worker.web.api.routes import CALLS
from worker.web.app import PAGES
from worker.web.page import EVERYBODY
from worker.web.paths import correct_path, decision_path, order_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from httpx import Response

    from support.console import Browser
    from support.settings_texts import Configured
    from worker.runtime import Runtime

#: What leaves an order in each state, and the list that it is on then.
OUTCOMES: Final = {"dead": REFUSED, "in_doubt": DOUBTFUL, "held": HELD}
#: The decisions that move an order; "ask" moves it by one of them.
MOVES: Final = [name for name in DECISIONS if name != "ask"]
#: Every route that changes something about an order: the tests below act by each of them.
ORDER_ROUTES: Final = {
    "/decide/{action}/{target}/{key:path}", "/correct/{target}/{key:path}", "/lists/{list}/{action}",
    "/orders/{key}/actions", "/lists/{list}/actions",
}  # fmt: skip
#: Those that change an account, a session, or nothing.
OTHER_ROUTES: Final = {
    "/sign-out", "/find", "/orders/search", "/{side}/{name}/pause", "/{side}/{name}/resume", "/providers/{name}/poll",
    "/providers/{name}/cursor", "/providers/{name}/cursor/undo", "/compared/{provider}/{target}/{key:path}",
    "/providers/{name}/pause", "/providers/{name}/resume", "/targets/{name}/pause", "/targets/{name}/resume",
    "/providers/{name}/backfill", "/providers/{name}/backfill/stop", "/providers/{name}/backfill/continue",
}  # fmt: skip


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    rt.ledger.assume_no_predecessor()
    return rt


@pytest.fixture
def consoles(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    """Let nobody act before somebody else is about to act as well, with everything checked."""
    barrier = threading.Barrier(2, timeout=20)

    def both(*given: Any, **named: Any) -> Any:
        barrier.wait()
        return record(*given, **named)

    with running_console(monkeypatch) as consoles:
        for module in ("worker.web.visit", "worker.web.api.orders", "worker.web.api.lists"):
            monkeypatch.setattr(f"{module}.record", both)
        yield consoles


def stuck(rt: Runtime, state: str, number: int = 1) -> str:
    """Return the key of an order that waits for a person."""
    order = an_order(f"{state}{number}", "shop-de")
    put(rt, order, warehouse=OUTCOMES[state])
    return order.key


def at_once(*acts: Callable[[], Response]) -> list[Response]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(lambda act: act(), acts))


def decide(browser: Browser, name: str, key: str) -> Callable[[], Response]:
    """Return the request of a decision, with the form that was opened before."""
    form = form_of(browser.get(decision_path(name, "warehouse", key)).text)
    return lambda: browser.post(decision_path(name, "warehouse", key), form)


def one_wins(responses: list[Response], rt: Runtime, key: str) -> None:
    assert sorted(response.status_code for response in responses) == [303, 409], [each.text for each in responses]
    loser = next(response.text for response in responses if response.status_code == 409)
    assert "Nothing was done" in loser, loser
    records = [each for each in read_audit(rt.redis) if key in each.orders]
    assert len(records) == 2


def events_by_people(rt: Runtime, key: str) -> list[str]:
    [entry] = rt.ledger.entries(["warehouse"], key)
    return [event for _, event in entry.history if re.search(r"\bby (operator|support)\b|released|dropped", event)]


def test_every_route_that_changes_something_is_known_here() -> None:
    pages = {page.path for page in PAGES if page.method == "POST" and page.role != EVERYBODY}
    calls = {call.path for call in CALLS if call.method == "POST"}
    assert pages | calls == ORDER_ROUTES | OTHER_ROUTES


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in {"resend", "release"} else pytest.mark.repeat) for name in MOVES]
)
def test_the_same_decision_of_two_people_is_made_once(consoles: Consoles, rt: Runtime, name: str) -> None:
    key = stuck(rt, DECISIONS[name].state)
    people = [consoles.as_role("operator"), consoles.as_role("operator")]
    one_wins(at_once(*(decide(each, name, key) for each in people)), rt, key)
    assert len(events_by_people(rt, key)) == 1, rt.ledger.entries(["warehouse"], key)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("delivered", "send"),
        pytest.param("resend", "discard", marks=pytest.mark.repeat),
        pytest.param("release", "drop", marks=pytest.mark.repeat),
    ],
)
def test_of_two_different_decisions_one_is_made(consoles: Consoles, rt: Runtime, one: str, other: str) -> None:
    key = stuck(rt, DECISIONS[one].state)
    acts = [decide(consoles.as_role("operator"), name, key) for name in (one, other)]
    one_wins(at_once(*acts), rt, key)
    assert len(events_by_people(rt, key)) == 1


def correction(browser: Browser, key: str, value: str) -> Callable[[], Response]:
    """Return the request that confirms the preview of a correction."""
    path = correct_path("warehouse", key)
    form = form_of(browser.get(path).text) | {"field:shipping_address.postal_code": value}
    preview = form_of(browser.post(path, form).text)
    return lambda: browser.post(path, preview)


def test_of_two_corrections_and_of_a_correction_and_a_decision_one_is_made(consoles: Consoles, rt: Runtime) -> None:
    people = [consoles.as_role("operator"), consoles.as_role("operator")]
    key = stuck(rt, "dead")
    responses = at_once(*(correction(each, key, f"1015 {at}") for at, each in enumerate(people)))
    assert sorted(each.status_code for each in responses) == [303, 409]
    assert "changed meanwhile" in unescape(next(each.text for each in responses if each.status_code == 409))
    assert len([each for each in rt.ledger.entries(["warehouse"], key)[0].history if "corrected" in each[1]]) == 1
    rt.redis.delete("intake:lane:warehouse:due")
    key = stuck(rt, "dead", 2)
    acts = [correction(people[0], key, "1015 KH"), decide(people[1], "discard", key)]
    assert sorted(response.status_code for response in at_once(*acts)) == [303, 409]


@pytest.mark.parametrize(
    "name", ["dead", *(pytest.param(name, marks=pytest.mark.repeat) for name in ("held", "in_doubt"))]
)
def test_rows_of_a_list_are_acted_on_once(consoles: Consoles, rt: Runtime, name: Any) -> None:
    keys = [stuck(rt, name, number) for number in range(3)]
    action = next(iter(ACTIONS[name]))
    path = f"/lists/{name}/{action}"
    people = [consoles.as_role("operator"), consoles.as_role("operator")]
    acts = []
    for each in people:
        preview = each.send(path, {"scope": "all"}, at="/find")
        form = form_of(preview.text) | {"scope": "all"}
        assert form.get("seen"), preview.text
        acts.append(lambda each=each, form=form: each.post(path, form))
    for response in at_once(*acts):
        assert response.status_code == 303
    notices = " ".join(browser.get(order_path(keys[0])).text for browser in people)
    done = sum(int(act.counts.get("done", 0)) for act in read_audit(rt.redis))
    assert done == len(keys)
    assert "changed meanwhile" in notices
    assert all(len(events_by_people(rt, key)) == 1 for key in keys)


def test_of_two_pauses_the_first_one_counts(consoles: Consoles, rt: Runtime) -> None:
    people = [consoles.as_role("operator"), consoles.as_role("operator")]
    # Nobody waits for the other one here: the second is refused before it acts.
    forms = [{"csrf": each.token("/targets/warehouse/pause"), "reason": f"by {at}"} for at, each in enumerate(people)]
    rt.lanes["warehouse"].pause("stocktaking")
    for each, form in zip(people, forms, strict=True):
        response = each.post("/targets/warehouse/pause", form)
        assert response.status_code == 409
        assert "stocktaking" in response.text
    assert rt.lanes["warehouse"].status()["paused"] == "stocktaking"


def test_two_programs_at_the_api_act_once(consoles: Consoles, rt: Runtime) -> None:
    tokens = Tokens(rt.redis)
    apis = [Api(consoles, tokens.add(name, "operator") or "") for name in ("one", "two")]
    key = stuck(rt, "dead")
    [target] = apis[0].get(f"/orders/{key}").json()["targets"]
    body = {"target": "warehouse", "action": "resend", "seen": target["seen"]}
    responses = at_once(*(lambda each=each: each.post(f"/orders/{key}/actions", body) for each in apis))
    assert sorted(response.status_code for response in responses) == [200, 409]
    assert "Nothing was done" in next(each for each in responses if each.status_code == 409).json()["detail"]
    rt.redis.delete("intake:lane:warehouse:due")
    stuck(rt, "dead", 2)
    listed = apis[0].get("/lists/dead").json()
    body = {"action": "resend", "seen": listed["seen"]}
    responses = at_once(*(lambda each=each: each.post("/lists/dead/actions", body) for each in apis))
    assert sorted(response.json()["done"] for response in responses) == [0, 1]
