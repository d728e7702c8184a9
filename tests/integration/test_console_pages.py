"""The pages of the console: find an order, read its history, decide; who may see what; nothing stored runs as code."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import pytest

from integration.test_console_correct import form_of
from schemas.order import Address, Customer, Line
from support.console import Consoles, running_console
from support.console_world import PERSONAL, SETTINGS, an_order, fill, put
from support.pipeline import log_lines
from tasks.doubt import AGAIN, settle_doubts
from tasks.sweep import sweep
from worker.errors import ConfigError, Unavailable
from worker.operations.decisions import DECISIONS
from worker.operations.document import document
from worker.operations.next_steps import next_steps
from worker.store.audit import Actor, read_audit
from worker.store.console.users import ROLES, Role
from worker.store.orders.drains import Outcome
from worker.store.redis import keys
from worker.systems.target import Receipt
from worker.web.app import PAGES
from worker.web.page import EVERYBODY
from worker.web.paths import decision_path, order_path
from worker.web.words import DECISIONS as WORDS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from support.console import Browser
    from support.settings_texts import Configured
    from worker.runtime import Runtime

#: The orders of the world by what they are in the warehouse.
DEAD, DOUBTFUL, HELD = "shop-nl:02", "shop-nl:04", "shop-nl:05"
ORDERS = {"dead": DEAD, "in_doubt": DOUBTFUL, "held": HELD}
#: Breaks out of text, of attributes, of scripts and of comments, and is read again as a template.
EVIL: Final = "'\"></textarea></script><script>alert(1)</script><img src=x onerror=alert(1)>{{7777*7777}}"


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    fill(rt)
    return rt


def state(rt: Runtime, key: str, target: str = "warehouse") -> str:
    return rt.ledger.standing(target, key).state


def every_path(keys: list[str]) -> list[str]:
    """Return the path of every page that shows something, for each of the orders."""
    paths = []
    for page in PAGES:
        if page.method == "GET" and page.role != EVERYBODY:
            filled = [
                page.path.replace("{key:path}", key.replace(":", "%3A"))
                .replace("{target}", "warehouse")
                .replace("{action}", name)
                .replace("{side}/{name}", side)
                for key in keys
                for name in DECISIONS
                for side in ("targets/warehouse", "providers/shop-nl")
            ]
            paths += list(dict.fromkeys(filled))
    return paths


@pytest.mark.parametrize("text", [DEAD, "02", "#NL-1002", "nl-1002", "NL-02", " 02 "])
def test_an_order_is_found_by_everything_that_people_know_of_it(consoles: Consoles, text: str) -> None:
    response = consoles.as_role("viewer").send("/find", {"q": text})
    assert (response.status_code, response.headers["location"]) == (303, order_path(DEAD))


def test_several_orders_are_listed_with_their_states(consoles: Consoles) -> None:
    page = consoles.as_role("viewer").send("/find", {"q": "NL-100"}).text
    assert "5 orders match" in page
    assert "warehouse: not delivered" in page
    assert order_path(DEAD) in page


def test_what_is_not_found_is_said_and_not_repeated_in_an_address(consoles: Consoles) -> None:
    with log_lines() as lines:
        response = consoles.as_role("support").send("/find", {"q": "Femke Achterberg"})
    assert response.status_code == 200
    assert "No order matches" in response.text
    assert "Search the targets" in response.text
    assert "Femke" not in str(response.url) + lines.getvalue()


def test_an_order_shows_its_history_its_reason_and_the_next_step_for_each_target(
    consoles: Consoles, rt: Runtime
) -> None:
    page = consoles.as_role("viewer").get(order_path(DEAD)).text
    assert "The system refused the order." in page
    assert "422: shipping_address.postcode: is not valid for the country" in page
    [entry] = rt.ledger.entries(["warehouse"], DEAD)
    [step] = next_steps(rt, DEAD, [entry])
    assert escape(step.text)[1:] in page
    assert "Could not be delivered" in page
    assert "Read from shop-nl." in page
    assert "Its id there is 48291." in page


@pytest.mark.parametrize("path", ["/orders/shop-nl%3A999", "/orders/999", "/orders/nobody%3A1", "/nowhere"])
def test_an_order_that_is_not_known_is_not_found(consoles: Consoles, path: str) -> None:
    assert consoles.as_role("operator").get(path).status_code == 404


def test_a_viewer_sees_no_personal_data_on_any_page(consoles: Consoles, rt: Runtime) -> None:
    rt.cursors.bury("shop-nl", "90", {"id": 90, "name": "Femke", "email": PERSONAL[2]}, "items", "is missing")
    keys = [*ORDERS.values(), "shop-nl:07", "shop-nl:90"]
    viewer, seen = consoles.as_role("viewer"), 0
    for path in every_path(keys):
        response = viewer.get(path)
        seen += response.status_code == 200
        assert not any(text in response.text for text in PERSONAL), path
    for text in ("NL-1", "shop-nl:02", *PERSONAL):
        page = viewer.send("/find", {"q": text}).text.replace(f'value="{text}"', "").replace(f"“{text}”", "")
        assert not any(personal in page for personal in PERSONAL)
    assert seen >= len(keys) + 2
    # The same pages show it to support, so the search would find it.
    support = consoles.as_role("support")
    assert all(text in support.get(order_path(DEAD)).text for text in PERSONAL)
    assert PERSONAL[2] in support.get(order_path("shop-nl:90")).text


def test_neither_the_log_nor_an_address_has_personal_data(consoles: Consoles) -> None:
    operator = consoles.as_role("operator")
    with log_lines() as lines:
        for path in every_path([DEAD]):
            response = operator.get(path)
            links = re.findall(r'(?:href|action)="([^"]*)"', response.text)
            assert not any(text in link for link in links for text in PERSONAL)
        operator.send(decision_path("resend", "warehouse", DEAD), {"seen": "x"})
    assert not any(text in lines.getvalue() for text in PERSONAL)


class Tags(HTMLParser):
    """Collects what a browser would run or load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        foreign = any((named.get(name) or "/").strip()[:1] not in {"/", "#", ""} for name in ("src", "href", "action"))
        if foreign or tag == "style" or any(name.startswith("on") or name == "style" for name in named):
            self.bad.append(f"{tag} {attrs}")
        if tag in {"script", "img"} and not (named.get("src") or "").startswith("/static/"):
            self.bad.append(f"{tag} {attrs}")


def evil_texts(model: type[BaseModel], but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the evil text for each field of a model that takes any text."""
    fields = {name: str(field.annotation) for name, field in model.model_fields.items() if name not in but}
    return {name: EVIL for name, kind in fields.items() if kind in {"<class 'str'>", "str | None"}}


def test_no_text_of_an_order_runs_as_code(consoles: Consoles, rt: Runtime) -> None:
    texts: dict[str, Any] = dict.fromkeys(
        ("display_id", "note", "internal_note", "gift_message", "status_raw", "store"), EVIL
    )
    order = an_order(
        f"66{EVIL}",
        lines=[{**evil_texts(Line), "quantity": 1, "unit_price": "1"}],
        customer=evil_texts(Customer),
        shipping_address=evil_texts(Address, ("country",)),
        billing_address=evil_texts(Address, ("country",)),
        **texts,
        tags=(EVIL,),
        discount_codes=(EVIL,),
        custom={"retailcrm": {EVIL: EVIL}},
    )
    rt.redis.delete("intake:lane:warehouse:due", "intake:lane:returns:due")
    refused = Outcome("bury", "rejected", EVIL, extra=json.dumps({EVIL: [EVIL]}))
    put(rt, order, warehouse=refused, returns=Outcome("retry", "unavailable", EVIL, delay=60))
    rt.cursors.bury("shop-nl", f"67{EVIL}", {"id": EVIL, EVIL: EVIL}, EVIL, EVIL)
    rt.cursors.note_failure("shop-de", EVIL, 1.0)
    rt.lanes["returns"].pause(EVIL)
    operator = consoles.as_role("operator")
    paths = [
        "/",
        "/targets/returns/pause",
        order_path(order.key),
        order_path(f"shop-nl:67{EVIL}"),
        decision_path("resend", "warehouse", order.key),
        decision_path(EVIL, "warehouse", order.key),
        "/targets/" + EVIL.replace("/", "%2F") + "/pause",
    ]
    pages = [operator.get(path).text for path in paths]
    pages += [operator.send("/find", {"q": text}).text for text in (EVIL, "6")]
    assert sum("alert(1)" in page for page in pages) >= 5
    for page in pages:
        assert Tags(page).bad == []
        assert "<script>alert" not in page
        assert str(7777 * 7777) not in page


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("resend", "queued"),
        ("discard", "discarded"),
        ("release", "queued"),
        ("drop", "dead"),
        ("delivered", "delivered"),
        ("send", "queued"),
        ("bury", "dead"),
    ],
)
def test_a_decision_is_previewed_carried_out_and_seen(consoles: Consoles, rt: Runtime, name: str, after: str) -> None:
    decision = DECISIONS[name]
    key = ORDERS[decision.state]
    operator = consoles.as_role("operator")
    path = decision_path(name, "warehouse", key)
    assert path in operator.get(order_path(key)).text
    preview = operator.get(path).text
    assert WORDS[name].question.format(target="warehouse") in preview
    assert state(rt, key) == decision.state
    [seen] = re.findall(r'name="seen" value="([^"]+)"', preview)
    response = operator.send(path, {"seen": seen, "target_id": "T-1"}, at=path)
    assert (response.status_code, response.headers["location"]) == (303, order_path(key))
    assert state(rt, key) == after
    [record] = read_audit(rt.redis)
    assert (record.actor, record.action) == (Actor("operator", "console", "203.0.113.9"), decision.command)
    assert (record.orders, record.accounts, record.counts) == ((key,), ("warehouse",), {"done": 1})
    page = operator.get(order_path(key)).text
    assert "done." in page.replace("&#39;", "'")
    assert 'role="status"' not in operator.get(order_path(key)).text


def ask(consoles: Consoles) -> Browser:
    operator, path = consoles.as_role("operator"), decision_path("ask", "warehouse", DOUBTFUL)
    [seen] = re.findall(r'name="seen" value="([^"]+)"', operator.get(path).text)
    assert operator.send(path, {"seen": seen}, at=path).status_code == 303
    return operator


def nudged(rt: Runtime) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    sweep(rt, lambda task, name, _: found.append((task, name)))
    return found


@pytest.mark.parametrize("answer", [Receipt("48299"), None, Unavailable("it is away")])
def test_a_worker_asks_the_target_for_the_console_which_has_no_credentials(
    rt: Runtime, monkeypatch: pytest.MonkeyPatch, answer: Receipt | Exception | None
) -> None:
    searched: list[str] = []

    def find(reference: str) -> Receipt | None:
        searched.append(reference)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(rt.targets["warehouse"], "find", find)
    monkeypatch.setattr(rt.targets["warehouse"], "recognize", lambda *_, **__: None)
    monkeypatch.delenv("TEST_KEY")
    assert ("doubt", "warehouse") not in nudged(rt)
    with running_console(monkeypatch) as consoles:
        operator = ask(consoles)
        assert "warehouse is searched within seconds" in operator.get(order_path(DOUBTFUL)).text
        [record] = read_audit(rt.redis)
        assert (record.action, record.orders) == ("doubt ask", (DOUBTFUL,))
        assert ("doubt", "warehouse") in nudged(rt)
        settle_doubts(rt, "warehouse")
        page = operator.get(order_path(DOUBTFUL)).text
        assert "The target will be searched" in page
        assert "Search the targets" not in operator.send("/find", {"q": "nobody"}).text
    assert searched == ["NL-04"]
    states = {"Receipt": "delivered", "NoneType": "queued", "Unavailable": "in_doubt"}
    assert state(rt, DOUBTFUL) == states[type(answer).__name__]
    assert ("doubt", "warehouse") not in nudged(rt), "it is answered, or tried again in a minute"
    assert bool(rt.redis.zcard(keys.LaneKeys.of("warehouse").searches)) == isinstance(answer, Exception)
    if isinstance(answer, Exception):
        rt.redis.zadd(keys.LaneKeys.of("warehouse").searches, {DOUBTFUL: 1})
        assert ("doubt", "warehouse") in nudged(rt)


def test_a_search_that_a_person_wants_outlives_the_worker_that_began_it(
    rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def find(_: str) -> None:
        raise Killed

    monkeypatch.setattr(rt.targets["warehouse"], "find", find)
    rt.stuck["warehouse"].move("search", [DOUBTFUL])
    with pytest.raises(Killed):
        settle_doubts(rt, "warehouse")
    assert ("doubt", "warehouse") not in nudged(rt), "another worker may be searching"
    searches = keys.LaneKeys.of("warehouse").searches
    assert rt.redis.zrange(searches, 0, -1) == [DOUBTFUL]
    rt.redis.zincrby(searches, -AGAIN * 1000, DOUBTFUL)
    assert ("doubt", "warehouse") in nudged(rt)


def test_a_person_sees_that_the_answer_is_the_same_as_before(consoles: Consoles, rt: Runtime) -> None:
    def note() -> None:
        rt.stuck["warehouse"].move("note", [DOUBTFUL], code="uncertain", detail="it is not to be seen there yet")

    def events() -> int:
        return len(rt.ledger.entries(["warehouse"], DOUBTFUL)[0].history)

    note()
    before = events()
    note()
    assert events() == before
    ask(consoles)
    note()
    assert events() == before + 2
    assert rt.stuck["warehouse"].move("search", [DEAD]) == {DEAD: "dead"}


@pytest.mark.parametrize("name", DECISIONS)
def test_of_two_people_one_decides_and_the_other_learns_what_happened(
    consoles: Consoles, rt: Runtime, name: str
) -> None:
    key = ORDERS[DECISIONS[name].state]
    path = decision_path(name, "warehouse", key)
    people: list[Browser] = [consoles.as_role("operator"), consoles.as_role("operator")]
    forms = []
    for person in people:
        page = person.get(path).text
        token, seen = (re.search(rf'name="{field}" value="([^"]+)"', page) for field in ("csrf", "seen"))
        assert token
        assert seen
        forms.append({"csrf": token[1], "seen": seen[1]})
    rival = "discard" if name == "resend" else "resend"
    if DECISIONS[name].state == DECISIONS[rival].state:
        # The first one decides otherwise.
        consoles.console.rt.stuck["warehouse"].move(DECISIONS[rival].move or "replay", [key], source="by rival")
        losers = list(zip(people, forms, strict=True))
    else:
        assert people[0].post(path, forms[0]).status_code == 303
        losers = [(people[1], forms[1])]
    before = state(rt, key)
    events = [entry.history for entry in rt.ledger.entries(["warehouse"], key)]
    for person, form in losers:
        response = person.post(path, form)
        assert response.status_code == 409, response.text
        assert "Someone else changed it first" in response.text
    assert state(rt, key) == before
    assert [entry.history for entry in rt.ledger.entries(["warehouse"], key)] == events


def test_an_order_that_came_back_to_the_same_state_meanwhile_is_not_decided_about(
    consoles: Consoles, rt: Runtime
) -> None:
    operator = consoles.as_role("operator")
    path = decision_path("discard", "warehouse", DEAD)
    [seen] = re.findall(r'name="seen" value="([^"]+)"', operator.get(path).text)
    rt.redis.delete("intake:lane:warehouse:due")
    rt.stuck["warehouse"].move("replay", [DEAD])
    with rt.lanes["warehouse"].drain() as drain:
        drain.settle([(claim, Outcome("bury", "rejected", "another reason")) for claim in drain.claim(1)])
        drain.leave()
    assert state(rt, DEAD) == "dead"
    response = operator.send(path, {"seen": seen}, at=path)
    assert response.status_code == 409
    assert "Another reason" in response.text


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_its_decisions(consoles: Consoles, rt: Runtime, role: Role) -> None:
    visitor = consoles.as_role(role)
    for name, decision in DECISIONS.items():
        key = ORDERS[decision.state]
        path, may = decision_path(name, "warehouse", key), ROLES.index(role) >= ROLES.index(WORDS[name].role)
        assert (path in visitor.get(order_path(key)).text) == may
        assert visitor.get(path).status_code == (200 if may else 403)
        if not may:
            assert visitor.send(path, {"seen": "x"}).status_code == 403
            assert state(rt, key) == decision.state


def test_nothing_is_decided_while_the_ledger_is_not_that_of_the_accounts(
    consoles: Consoles, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = consoles.as_role("operator")
    path = decision_path("resend", "warehouse", DEAD)
    [seen] = re.findall(r'name="seen" value="([^"]+)"', operator.get(path).text)

    def refuse() -> None:
        raise ConfigError("intake.toml", "targets.warehouse", "it is another account", "Rename it.")

    monkeypatch.setattr(consoles.console.rt.installation, "refuse", refuse)
    response = operator.send(path, {"seen": seen}, at=path)
    assert response.status_code == 409
    assert "it is another account. Rename it." in response.text
    assert state(rt, DEAD) == "dead"


@pytest.mark.parametrize("side", ["targets/warehouse", "providers/shop-nl"])
def test_an_account_is_paused_and_resumed(consoles: Consoles, rt: Runtime, side: str) -> None:
    operator, name = consoles.as_role("operator"), side.partition("/")[2]
    path = f"/{side}/pause"
    assert f"Pause {name}?" in operator.get(path).text
    operator.send(path, {"reason": "Stocktaking", "length": "2h"}, at=path)
    home = operator.get("/").text
    assert "Stocktaking" in home
    assert f'href="{path}">Resume it</a>' in home
    page = operator.get(path).text
    assert f"Resume {name}?" in page
    operator.send(f"/{side}/resume", form_of(page))
    assert "Stocktaking" not in operator.get("/").text
    assert [(record.action, record.accounts) for record in read_audit(rt.redis)] == [
        ("resume", (name,)),
        ("pause", (name,)),
    ]


def test_home_shows_what_needs_a_person_and_the_state_of_every_account(consoles: Consoles, rt: Runtime) -> None:
    page = consoles.as_role("viewer").get("/").text
    needs = document(rt)["attention"]
    assert {"orders_died", "orders_in_doubt", "orders_held"} <= {need["name"] for need in needs}
    for text in (*(need["what"][1:] for need in needs), "shop-de", "returns"):
        assert escape(text) in page
    links = re.findall(r'href="([^"]+)">See them<', page)
    assert len(links) == 3
    assert all(consoles.as_role("viewer").get(link).status_code == 200 for link in links)
    assert "Pause" not in page
