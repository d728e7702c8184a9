"""A correction lies on top of what the source says, is sent once, and ends when the source changes that very field."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.corrections import fields_of
from support.command_line import intake
from support.orders import order
from support.reconciliation import is_clean, reconcile_pair
from support.redis_text import key_names, make_due, members
from support.settings_texts import SECRET_KEY, dropday, retailcrm, route
from tasks.accept import accept
from tasks.intentions import order_of
from tasks.release import release
from worker.operations.correct import CorrectionRefused, carry_out, find_correctable, plan_correction, plan_undo
from worker.reconcile.repair import requeue
from worker.reconcile.report import Finding
from worker.store.orders import payload
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Claim, Outcome
from worker.store.orders.ledger import Standing
from worker.store.redis import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from schemas.order import Order
    from support.http_calls import Serve
    from support.pipeline import MakePipeline
    from support.settings_texts import Configured
    from worker.runtime import Runtime

KEY, FIELD = "shop:1", "shipping_address.postal_code"
WRONG, RIGHT = "1012", "1012AB"
REFUSED = Outcome("bury", "rejected", "422: postal_code")
DELIVERED = Outcome("delivered", extra="T1")


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    """Return a runtime with a target that can update orders."""
    return configured.open(
        retailcrm("providers.shop") + retailcrm("targets.t", "http://127.0.0.1:9/t") + route("shop", "t")
    )


def address(**fields: str) -> dict[str, str]:
    return {"street1": "Dam 1", "city": "Amsterdam", "postal_code": WRONG} | fields


def source(version: int = 1, **fields: Any) -> Order:
    return order("1", version=version, **{"shipping_address": address()} | fields)


def tell(rt: Runtime, version: int = 1, **fields: Any) -> str:
    """Accept what the source says; return the result."""
    counts, _ = accept(rt, [source(version, **fields)], "poll shop", lambda *_: None, "never")
    [result] = counts
    return result


def attempts(rt: Runtime, *outcomes: Outcome) -> list[Claim]:
    """Settle the next claims with these outcomes; return them, and those that are left."""
    claimed = []
    make_due(rt.redis, rt.lanes["t"])
    with rt.lanes["t"].drain() as drain:
        for outcome in outcomes:
            claims = drain.claim(1)
            drain.settle([(claim, outcome) for claim in claims])
            claimed += claims
    return claimed


def sent(rt: Runtime, outcome: Outcome = DELIVERED) -> list[Order]:
    return [order_of(claim.payload) for claim in attempts(rt, outcome)]


def correct(rt: Runtime, values: dict[str, str] | None = None) -> str:
    found = find_correctable(rt, KEY, "t")
    return carry_out(rt, plan_correction(rt, found, values or {FIELD: RIGHT}, "anna"))


def undo(rt: Runtime, *fields: str) -> str:
    return carry_out(rt, plan_undo(rt, find_correctable(rt, KEY, "t"), fields or (FIELD,), "anna"))


def state(rt: Runtime) -> str:
    return rt.ledger.standing("t", KEY).state


def events(rt: Runtime) -> list[str]:
    return [event for _, event in rt.ledger.entries(["t"], KEY)[0].history]


def in_force(rt: Runtime) -> list[str]:
    return [path for stored in rt.ledger.corrections.all("t").values() for path in stored.by_field]


def dead(rt: Runtime) -> None:
    tell(rt)
    attempts(rt, REFUSED)
    assert state(rt) == "dead"


def test_an_order_that_somebody_discarded_meanwhile_is_not_corrected(rt: Runtime) -> None:
    dead(rt)
    planned = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: RIGHT}, "anna")
    assert rt.stuck["t"].move("discard", [KEY], source="by bert") == {KEY: "moved"}
    with pytest.raises(CorrectionRefused, match="changed meanwhile"):
        carry_out(rt, planned)
    assert state(rt) == "discarded"
    assert in_force(rt) == []


def delivered(rt: Runtime) -> None:
    dead(rt)
    correct(rt)
    attempts(rt, DELIVERED)
    assert state(rt) == "delivered"


def test_a_dead_order_is_sent_once_with_its_correction(rt: Runtime) -> None:
    dead(rt)
    correct(rt)
    assert state(rt) == "queued"
    [corrected] = sent(rt)
    assert corrected.shipping_address.postal_code == RIGHT
    assert corrected == source(shipping_address=address(postal_code=RIGHT))
    assert attempts(rt, DELIVERED) == []
    assert "corrected shipping_address.postal_code by anna" in events(rt)
    assert not any(RIGHT in event for event in events(rt))


@pytest.mark.parametrize("when", ["before it is sent", "after its delivery"])
def test_reading_the_same_again_changes_nothing(rt: Runtime, when: str) -> None:
    dead(rt)
    correct(rt)
    if when == "after its delivery":
        attempts(rt, DELIVERED)
    before = rt.ledger.standing("t", KEY)
    for version in (1, 1, 2, 3):
        assert tell(rt, version) == "same"
    assert rt.ledger.standing("t", KEY) == before
    assert in_force(rt) == [FIELD]


@pytest.mark.parametrize("when", ["before it is sent", "after its delivery"])
def test_a_correction_lies_over_later_versions(rt: Runtime, when: str) -> None:
    dead(rt)
    correct(rt)
    if when == "after its delivery":
        attempts(rt, DELIVERED)
    assert tell(rt, 2, note="ring twice") == ("updating" if when == "after its delivery" else "replaced")
    [corrected] = sent(rt)
    assert corrected.shipping_address.postal_code == RIGHT
    assert corrected.note == "ring twice"
    assert tell(rt, 2, note="ring twice") == tell(rt, 3, note="ring twice") == "same"


@pytest.mark.parametrize("when", ["before it is sent", "after its delivery"])
def test_the_source_wins_when_it_changes_that_very_field(rt: Runtime, when: str) -> None:
    dead(rt)
    correct(rt)
    if when == "after its delivery":
        attempts(rt, DELIVERED)
    tell(rt, 2, shipping_address=address(postal_code="9999ZZ"))
    [corrected] = sent(rt)
    assert corrected.shipping_address.postal_code == "9999ZZ"
    assert in_force(rt) == []
    assert "correction ended: the source changed shipping_address.postal_code" in events(rt)
    assert tell(rt, 3) == "updating"  # it returns to what it was: that is no correction any more
    assert sent(rt)[0].shipping_address.postal_code == WRONG


def test_a_source_that_takes_the_correction_over_causes_no_update(rt: Runtime) -> None:
    delivered(rt)
    assert tell(rt, 2, shipping_address=address(postal_code=RIGHT)) == "same"
    assert in_force(rt) == []
    assert events(rt)[-1] == "correction ended: the source changed shipping_address.postal_code"
    assert attempts(rt, DELIVERED) == []
    assert tell(rt, 3, shipping_address=address(postal_code=RIGHT)) == "same"


def test_an_older_version_ends_no_correction(rt: Runtime) -> None:
    tell(rt, 5)
    attempts(rt, REFUSED)
    correct(rt)
    assert tell(rt, 4, shipping_address=address(postal_code="0000")) == "stale"
    assert tell(rt, 3, shipping_address=address(postal_code=RIGHT)) == "same"
    assert in_force(rt) == [FIELD]
    assert sent(rt)[0].shipping_address.postal_code == RIGHT


def test_a_cancellation_is_not_held_up_and_ends_no_correction(rt: Runtime) -> None:
    delivered(rt)
    assert tell(rt, 2, status="cancelled", shipping_address={}) == "updating"
    [claim] = attempts(rt, Outcome("updated", extra="T1"))
    assert order_of(claim.payload).status == "cancelled"
    assert in_force(rt) == [FIELD]
    assert tell(rt, 3) == "updating"
    assert sent(rt)[0].shipping_address.postal_code == RIGHT


@pytest.mark.parametrize("undone", ["", "twice corrected"])
def test_an_undone_correction_returns_to_the_source(rt: Runtime, undone: str) -> None:
    dead(rt)
    correct(rt)
    if undone:
        correct(rt, {FIELD: "1013AB"})
    assert "queued" in (state(rt), undo(rt))
    assert in_force(rt) == []
    assert sent(rt)[0] == source()
    assert tell(rt) == "same"


def test_a_correction_that_is_undone_after_the_delivery_is_undone_by_the_next_reading(rt: Runtime) -> None:
    delivered(rt)
    undo(rt)
    assert state(rt) == "delivered"
    assert tell(rt) == "updating"
    assert sent(rt, Outcome("updated", extra="T1")) == [source()]
    assert tell(rt) == "same"


def test_one_of_two_corrections_is_undone_after_the_delivery(rt: Runtime) -> None:
    dead(rt)
    correct(rt, {FIELD: RIGHT, "note": "ring"})
    attempts(rt, DELIVERED)
    undo(rt, "note")
    assert tell(rt) == "updating"
    assert [(each.note, each.shipping_address.postal_code) for each in sent(rt)] == [(None, RIGHT)]
    assert tell(rt) == "same"


def test_a_line_is_corrected_by_its_key_although_the_key_follows_from_the_field(rt: Runtime) -> None:
    lines = [
        {"name": "Mug", "sku": "MUG", "quantity": 1, "unit_price": "9.90"},
        {"name": "Mug", "sku": "MUG", "quantity": 2, "unit_price": "9.90"},
    ]
    tell(rt, lines=lines)
    attempts(rt, REFUSED)
    correct(rt, {"lines.MUG#2.sku": "MUG-BLUE"})
    assert events(rt)[-1] == "corrected lines.*.sku by anna"  # the key of a line may be its name
    correct(rt, {"lines.MUG#2.name": "Blue mug"})
    assert tell(rt, 2, lines=lines, note="ring") == "replaced"
    [corrected] = sent(rt)
    assert [(line.sku, line.name) for line in corrected.lines] == [("MUG", "Mug"), ("MUG-BLUE", "Blue mug")]
    tell(rt, 3, lines=lines[:1])
    assert in_force(rt) == []  # the source removed the line
    assert [line.sku for line in sent(rt)[0].lines] == ["MUG"]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("external_id", "2", "cannot be corrected"),
        ("provider", "2", "cannot be corrected"),
        ("display_id", "2", "cannot be corrected"),
        ("source_id", "2", "cannot be corrected"),
        ("status", "paid", "cannot be corrected"),
        ("lines.Mug.id", "2", "lines.KEY.sku, where KEY is one of Mug"),
        ("lines.Cup.sku", "2", "lines.KEY.sku, where KEY is one of Mug"),
        ("payments", "2", "cannot be corrected"),
        ("billing_address.city", "Delft", "the order has no billing_address"),
        ("shipping_address.zip", "2", "not a field"),
        ("shipping_address", "2", "not a field"),
        ("lines.quantity", "many", "lines.Mug.quantity: Input should be a valid decimal"),
        ("lines.name", "", "lines.Mug.name"),
        ("shipping.ship_on", "tomorrow", "shipping.ship_on: String should match pattern"),
        (FIELD, WRONG, "nothing to correct"),
    ],
)
def test_what_cannot_be_corrected_is_refused_with_the_reason(rt: Runtime, field: str, value: str, reason: str) -> None:
    dead(rt)
    with pytest.raises(CorrectionRefused) as refused:
        correct(rt, {field: value})
    assert reason in str(refused.value)
    assert (state(rt), in_force(rt)) == ("dead", [])


ENDS = {
    "delivered": (DELIVERED, "is delivered to t"),
    "in_doubt": (Outcome("doubt", "uncertain", "cut", uncertain=True), "intake doubt ask t"),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_order_that_is_not_to_be_sent_is_refused(rt: Runtime, end: str) -> None:
    tell(rt)
    attempts(rt, ENDS[end][0])
    with pytest.raises(CorrectionRefused) as refused:
        correct(rt)
    assert ENDS[end][1] in str(refused.value)


def test_withdrawn_discarded_unknown_and_claimed_orders_are_refused(rt: Runtime) -> None:
    with pytest.raises(CorrectionRefused, match="has no order shop:1"):
        correct(rt)
    dead(rt)
    rt.stuck["t"].move("discard", [KEY])
    with pytest.raises(CorrectionRefused, match="was discarded"):
        correct(rt)
    tell(rt, 2, note="new")
    with rt.lanes["t"].drain() as drain:
        drain.claim(1)
        with pytest.raises(CorrectionRefused, match="being sent to t at this moment"):
            correct(rt)
    rt.redis.flushall()
    tell(rt)
    tell(rt, 2, removed="deleted")
    with pytest.raises(CorrectionRefused, match="was withdrawn"):
        correct(rt)


def test_an_order_that_is_claimed_or_changes_meanwhile_is_left_alone(rt: Runtime) -> None:
    dead(rt)
    plan = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: RIGHT}, "anna")
    tell(rt, 2, note="new")
    with pytest.raises(CorrectionRefused, match="changed meanwhile"):
        carry_out(rt, plan)
    plan = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: RIGHT}, "anna")
    with rt.lanes["t"].drain() as drain:
        drain.claim(1)
        with pytest.raises(CorrectionRefused, match="being sent"):
            carry_out(rt, plan)
    assert in_force(rt) == []


def test_two_people_correct_at_once_and_one_of_them_is_told(rt: Runtime) -> None:
    dead(rt)
    first = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: RIGHT}, "anna")
    second = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: "1013AB"}, "ben")
    carry_out(rt, first)
    with pytest.raises(CorrectionRefused, match="changed meanwhile"):
        carry_out(rt, second)
    assert sent(rt)[0].shipping_address.postal_code == RIGHT


def test_two_people_correct_an_order_that_stays_held_and_one_of_them_is_told(rt: Runtime) -> None:
    tell(rt)
    attempts(rt, Outcome("hold", "review", "look at it"))
    first = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: RIGHT}, "anna")
    second = plan_correction(rt, find_correctable(rt, KEY, "t"), {FIELD: "1013AB"}, "ben")
    carry_out(rt, first)
    with pytest.raises(CorrectionRefused, match="changed meanwhile"):
        carry_out(rt, second)
    assert state(rt) == "held"
    release(rt, "t", [KEY], "send")
    assert sent(rt)[0].shipping_address.postal_code == RIGHT


def test_a_held_order_is_sent_if_its_target_held_it_and_stays_held_for_any_other_reason(rt: Runtime) -> None:
    tell(rt)
    attempts(rt, Outcome("hold", "held", "no product"))
    correct(rt)
    assert state(rt) == "queued"
    attempts(rt, Outcome("hold", "combined", "wait"), Outcome("hold", "review", "look at it"))
    assert state(rt) == "held"
    assert "intake release t shop:1" in correct(rt, {FIELD: "1013AB"})
    assert state(rt) == "held"
    release(rt, "t", [KEY], "send")
    assert sent(rt)[0].shipping_address.postal_code == "1013AB"


def test_a_replay_and_a_restart_keep_the_correction(rt: Runtime, configured: Configured) -> None:
    dead(rt)
    correct(rt)
    attempts(rt, REFUSED)
    rt.stuck["t"].move("replay", [KEY])
    assert sent(rt, REFUSED)[0].shipping_address.postal_code == RIGHT
    again = configured.open(
        retailcrm("providers.shop") + retailcrm("targets.t", "http://127.0.0.1:9/t") + route("shop", "t")
    )
    again.stuck["t"].move("replay", [KEY])
    assert sent(again)[0].shipping_address.postal_code == RIGHT


def test_discarding_forgets_the_correction_and_the_same_content_is_no_new_order(rt: Runtime, redis: Redis) -> None:
    dead(rt)
    correct(rt)
    attempts(rt, REFUSED)
    rt.stuck["t"].move("discard", [KEY])
    assert tell(rt) == tell(rt, 2) == "same"
    assert key_names(redis, "intake:correction*") == []


@pytest.mark.parametrize("when", ["waits", "dead", "delivered"])
@pytest.mark.parametrize("how", [KEY, "--match=Prins Hendrik"])
def test_erase_removes_a_correction(rt: Runtime, redis: Redis, when: str, how: str) -> None:
    dead(rt)
    correct(rt, {"shipping_address.last_name": "Prins Hendrik"})
    if when != "waits":
        attempts(rt, REFUSED if when == "dead" else DELIVERED)
    assert intake("erase", how, "--yes").exit_code == 0
    assert key_names(redis, "intake:correction*") == []
    assert tell(rt) == "same"
    names = [name for name in key_names(redis) if not name.startswith("intake:ids:")]  # of the targets, and binary
    texts = [str(redis.get(name)) for name in names if redis.type(name) == "string"]
    assert not any("Hendrik" in payload.unpack(text) for text in texts)


def test_a_correction_is_kept_as_long_as_the_history_and_then_a_change_waits_for_a_person(
    rt: Runtime, redis: Redis
) -> None:
    delivered(rt)
    name = keys.correction("t") + KEY
    assert 29 * 86_400 < redis.ttl(name) <= 30 * 86_400
    tell(rt, 2, note="ring")
    assert redis.ttl(name) == -1  # it waits again
    attempts(rt, Outcome("updated", extra="T1"))
    redis.delete(name)  # 30 days later
    assert in_force(rt) == []
    assert tell(rt, 3, note="ring") == "same"
    assert tell(rt, 4, note="ring twice") == "held"
    assert tell(rt, 4, note="ring twice") == tell(rt, 5, note="ring twice") == "same"
    assert "no longer kept" in rt.ledger.entries(["t"], KEY)[0].record["detail"]
    release(rt, "t", [KEY], "send")
    assert [each.note for each in sent(rt, Outcome("updated", extra="T1"))] == ["ring twice"]
    assert tell(rt, 5, note="ring twice") == "same"
    assert tell(rt, 6, note="ring thrice") == "updating"


def test_the_source_changes_while_the_order_is_sent(rt: Runtime) -> None:
    dead(rt)
    correct(rt)
    with rt.lanes["t"].drain() as drain:
        [claim] = drain.claim(1)
        assert tell(rt, 2, note="new") == "replaced"
        drain.settle([(claim, DELIVERED)])
    assert [(each.note, each.shipping_address.postal_code) for each in sent(rt)] == [("new", RIGHT)]


def test_an_order_that_was_there_with_its_former_content_is_updated(rt: Runtime) -> None:
    tell(rt)
    attempts(rt, Outcome("retry", "uncertain", "cut", uncertain=True))
    correct(rt)
    attempts(rt, Outcome("existed", extra="T1"))
    assert state(rt) == "queued"
    assert sent(rt, Outcome("updated", extra="T1"))[0].shipping_address.postal_code == RIGHT
    assert state(rt) == "delivered"


def test_the_command_corrects_shows_undoes_and_lists_without_values(rt: Runtime) -> None:
    dead(rt)
    planned = intake("correct", KEY, "--set", f"{FIELD}={RIGHT}", "--dry-run")
    assert (planned.exit_code, state(rt)) == (0, "dead")
    done = intake("correct", KEY, "--set", f"{FIELD}={RIGHT}", "--yes", "--as", "anna")
    assert "The next sweep sends it to t" in done.output
    listed = intake("correct")
    assert [text for text in (KEY, FIELD, "anna") if text not in listed.output] == []
    assert RIGHT not in listed.output + intake("correct", KEY).output + intake("show", KEY).output
    assert f"corrected: {FIELD}" in intake("show", KEY).output
    assert f"{FIELD} = {RIGHT}" in intake("correct", KEY, "--values").output
    assert json.loads(intake("correct", "--json").output)[0]["field"] == FIELD
    assert (
        intake("correct", KEY, "--set", "-", "--yes", stdin="shipping_address.city=Delft\nnote=ring\n").exit_code == 0
    )
    assert sorted(in_force(rt)) == ["note", "shipping_address.city", FIELD]
    assert intake("correct", KEY, "--undo", "note", "--undo", "shipping_address.city", "--yes").exit_code == 0
    assert in_force(rt) == [FIELD]
    for words in (["--set", "x"], ["--set", "a=b", "--undo", "c"], ["--undo", "note", "--yes"]):
        assert intake("correct", KEY, *words).exit_code in {1, 2}
    assert intake("correct", "--set", "a=b").exit_code == 2


def test_a_preview_shows_the_corrected_request_and_sends_nothing(configured: Configured, serve: Serve) -> None:
    server = serve()
    settings = dropday("targets.t", server.url, placeholder="-")
    rt = configured.open(retailcrm("providers.shop") + settings + route("shop", "t"))
    dead(rt)
    shown = intake("correct", KEY, "--set", f"{FIELD}={RIGHT}", "--preview")
    assert (shown.exit_code, RIGHT in shown.output, "POST" in shown.output) == (0, True, True), shown.output
    assert SECRET_KEY not in shown.output
    assert (server.requests, state(rt), in_force(rt)) == ([], "dead", [])


def test_a_second_target_has_corrections_of_its_own(configured: Configured) -> None:
    rt = configured.open(
        retailcrm("providers.shop") + dropday("targets.t") + dropday("targets.u") + route("shop", "t", "u")
    )
    accept(rt, [source()], "poll shop", lambda *_: None, "never")
    assert intake("correct", KEY, "--set", "note=ring", "--yes").exit_code == 2
    assert intake("correct", KEY, "--target", "u", "--set", "note=ring", "--yes").exit_code == 0
    assert (in_force(rt), list(rt.ledger.corrections.all("u"))) == ([], [KEY])


#: Fields that the property changes, and how the source has the value of each.
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "note": lambda value: {"note": value},
    FIELD: lambda value: {"shipping_address": {"street1": "Dam 1", "postal_code": value}},
    "customer.phone": lambda value: {"customer": {"phone": value}},
    "lines.7.sku": lambda value: {
        "lines": [{"id": "7", "name": "Mug", "sku": value, "quantity": 1, "unit_price": "9.90"}]
    },
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["source", "correct", "older"]), st.sampled_from([*FIELDS]), st.sampled_from("ABC")),
        st.tuples(st.just("undo"), st.sampled_from([*FIELDS]), st.just("")),
        st.tuples(st.sampled_from(["send", "refuse", "replay", "read again"]), st.just(""), st.just("")),
    ),
    max_size=14,
)


class World:
    """What the source says, what people corrected, and what the target was sent."""

    def __init__(self, rt: Runtime) -> None:
        self.rt, self.version = rt, 1
        self.source = dict.fromkeys(FIELDS, "A")
        #: By field: the value, and what the source said.
        self.corrections: dict[str, tuple[str, str]] = {}
        self.target: Order | None = None
        self.tell(self.source, 1)

    def tell(self, values: dict[str, str], version: int) -> str:
        fields: dict[str, Any] = {}
        for name, value in values.items():
            fields |= FIELDS[name](value)
        counts, _ = accept(self.rt, [order("1", version=version, **fields)], "poll shop", lambda *_: None, "never")
        [result] = counts
        return result

    def step(self, action: str, field: str, value: str) -> None:
        if action == "source":
            self.version += 1
            self.source[field] = value
            self.corrections = {name: each for name, each in self.corrections.items() if self.source[name] == each[1]}
            self.tell(self.source, self.version)
        elif action == "older" and self.version > 1:
            self.tell(self.source | {field: value}, self.version - 1)
        elif action == "read again":
            self.tell(self.source, self.version)
        elif action == "replay":
            self.rt.stuck["t"].move("replay", [KEY])
        elif action in {"send", "refuse"}:
            self.attempt(refuse=action == "refuse")
        elif action in {"correct", "undo"}:
            self.correct(field, value)

    def correct(self, field: str, value: str) -> None:
        try:
            if value:
                correct(self.rt, {field: value})
                self.corrections[field] = (value, self.source[field])
            else:
                undo(self.rt, field)
                del self.corrections[field]
        except CorrectionRefused:
            known = self.corrections.get(field, (self.source[field], ""))[0]
            assert (value == known or state(self.rt) == "delivered") if value else field not in self.corrections

    def attempt(self, *, refuse: bool) -> bool:
        make_due(self.rt.redis, self.rt.lanes["t"])
        with self.rt.lanes["t"].drain() as drain:
            claims = drain.claim(1)
            for claim in claims:
                received = Outcome("updated" if claim.is_update else "delivered", extra="T1")
                drain.settle([(claim, REFUSED if refuse else received)])
                if not refuse:
                    self.target = order_of(claim.payload)
        return bool(claims)

    def expected(self) -> dict[str, str]:
        return self.source | {name: value for name, (value, _) in self.corrections.items()}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_target_has_what_the_source_says_with_what_people_corrected_since(
    rt: Runtime, steps: list[tuple[str, str, str]]
) -> None:
    rt.redis.flushall()
    world = World(rt)
    for step in steps:
        world.step(*step)
        assert set(in_force(rt)) == set(world.corrections)
    for _ in range(2):
        world.step("replay", "", "")
        world.step("read again", "", "")
        world.step("send", "", "")
    assert world.target is not None
    texts = fields_of(world.target)
    assert {name: texts[name] for name in FIELDS} == world.expected()
    assert world.tell(world.source, world.version) == "same"
    assert not world.attempt(refuse=False)  # no endless update


def test_reconcile_compares_the_target_with_the_corrected_order(make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(4, limits=["retailcrm=off"]).open(target='placeholder = "-"')
    pipeline.poll()
    rt = pipeline.rt
    cancelled = {f"shop:{each['id']}" for each in pipeline.box.orders("retailcrm") if "cancel" in each["status"]}
    key = next(key for key in members(rt.redis, keys.LaneKeys.of("dropday").due) if key not in cancelled)
    found = find_correctable(rt, key, "dropday")
    carry_out(rt, plan_correction(rt, found, {"shipping_address.city": "Corrected"}, "anna"))
    pipeline.deliver_all()
    assert is_clean(reconcile_pair(rt, "dropday"))
    [there] = [each for each in pipeline.box.orders("dropday") if f"shop:{each['external_id']}" == key]
    pipeline.box.change(there["reference"], "dropday", total=float(there["posted"]["total"]) + 1)
    [finding] = reconcile_pair(rt, "dropday").findings
    assert (finding.fault, finding.fields) == ("different", ("total",))  # and not the city


def test_a_repair_does_not_overwrite_a_correction_that_is_not_kept_any_more(rt: Runtime) -> None:
    run: Any = SimpleNamespace(rt=rt, options=SimpleNamespace(provider="shop", target="t"))
    standing = Standing("delivered", corrected="f1")
    finding = Finding("different", "R1", KEY, ("T1",), ("postal_code",))
    assert "compare it by hand" in requeue(run, finding, Delivery(source(), "R1"), standing)
