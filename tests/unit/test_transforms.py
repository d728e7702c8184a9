"""Transforms of routes: how they are loaded, and what their results become."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.order import Order, Status
from schemas.transform import Hold, Skip
from support.drawn import examples
from support.orders import order
from support.settings_files import GOOD, problems, read
from worker.errors import Malformed, PermanentError
from worker.settings.routes import Route, route_to
from worker.settings.transforms import Transform
from worker.store.orders.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RULES = """
from schemas.transform import Skip

LIST = []

def trade(order):
    return order.model_copy(update={"note": "trade"}) if order.store == "b2b" else Skip("no trade order")

def with_default(order, extra=None):
    return order

def two(order, other):
    return order

async def later(order):
    return order

def several(order):
    yield order

class Rules:
    @staticmethod
    def fits(order):
        return order

class Called:
    def __call__(self, order):
        return order

called = Called()
"""


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def load(tmp_path: Path, name: str, source: str = RULES) -> Transform:
    (tmp_path / "my_rules.py").write_text(source)
    transform = read(tmp_path, GOOD + f'transform = "{name}"').routes[0].transform
    assert transform is not None
    return transform


def refusal(tmp_path: Path, value: str, source: str = RULES) -> str:
    (tmp_path / "my_rules.py").write_text(source)
    [problem] = problems(tmp_path, GOOD + f"transform = {value}")
    return problem.removeprefix("routes[0].transform: ")


def made_by(function: Callable[[Order], object]) -> Transform:
    return Transform("rules:made", function)


@pytest.mark.parametrize("name", ["trade", "with_default", "Rules.fits", "called"])
def test_a_transform_beside_the_settings_is_loaded(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, f"my_rules:{name}").name == f"my_rules:{name}"


def test_a_loaded_transform_is_applied(tmp_path: Path) -> None:
    transform = load(tmp_path, "my_rules:trade")
    assert transform(order("1")) == Skip("no trade order")
    changed = transform(order("1", store="b2b"))
    assert isinstance(changed, Order)
    assert changed.note == "trade"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", 'does not name a function. Write transform = "package.module:function".'),
        ('"my_rules"', 'does not name a function. Write transform = "package.module:function".'),
        ('"my_rules:"', 'does not name a function. Write transform = "package.module:function".'),
        ('"../x:y"', 'does not name a function. Write transform = "package.module:function".'),
        ('"no_such:f"', "names a module that is not installed here: no_such. Install its package, or put it beside"),
        ('"no.such:f"', "names a module that is not installed here: no. Install its package, or put it beside"),
        ('"my_rules:none"', "names a module that has no none. Name a function that takes one order"),
        ('"my_rules:LIST"', "is not a function. Name a function that takes one order"),
        ('"my_rules:Rules"', "is not a function. Name a function that takes one order"),
        ('"my_rules:two"', "cannot be called with one order alone. Name a function"),
        ('"my_rules:later"', "is a coroutine or a generator. Name a function"),
        ('"my_rules:several"', "is a coroutine or a generator. Name a function"),
    ],
)
def test_a_transform_that_cannot_be_used_is_refused_at_start(tmp_path: Path, value: str, message: str) -> None:
    assert refusal(tmp_path, value).startswith(message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_library", "its module needs no_such_library, which is not installed here. Install it."),
        ("x = 1\n1 / 0\n", "its module cannot be imported: ZeroDivisionError, line 2. Correct the module."),
        ("x = 1\n\ndef f(:\n", "its module cannot be imported: SyntaxError, line 3. Correct the module."),
        ("raise SystemExit(3)", "its module cannot be imported: SystemExit, line 1. Correct the module."),
    ],
)
def test_a_module_that_fails_is_refused_with_the_line(tmp_path: Path, source: str, message: str) -> None:
    assert refusal(tmp_path, '"my_rules:f"', source) == message


def _raise(error: BaseException) -> Callable[[Order], object]:
    def function(_: Order) -> object:
        raise error

    return function


def _with_line(made: Order, **update: object) -> Order:
    return made.model_copy(update={"lines": [made.lines[0].model_copy(update=update)]})


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_raise(KeyError("Ada Lovelace")), "failed with KeyError in function, line"),
        (_raise(SystemExit(1)), "failed with SystemExit in function, line"),
        (_raise(RecursionError()), "failed with RecursionError in function, line"),
        (lambda _: None, "returned NoneType, which is no Order, Skip or Hold"),
        (lambda made: made.model_dump(), "returned dict, which is no Order, Skip or Hold"),
        (lambda _: [Skip("x")], "returned list, which is no Order, Skip or Hold"),
        (lambda _: Skip(" \n"), "returned a Skip without a reason"),
        (lambda _: Hold(""), "returned a Hold without a reason"),
        (lambda made: made.model_copy(update={"external_id": "8"}), "changed external_id, which identifies"),
        (lambda made: made.model_copy(update={"provider": "other"}), "changed provider, which identifies"),
        (lambda made: made.model_copy(update={"version": 5}), "changed version, which identifies"),
        (lambda made: Hold("x", made.model_copy(update={"version": 5})), "changed version, which identifies"),
        (lambda made: made.model_copy(update={"note": 7}), "is not valid: note: string_type"),
        (lambda made: made.model_copy(update={"lines": None}), "is not valid: lines: tuple_type"),
        (lambda made: made.model_copy(update={"custom": {"x": object()}}), "an order that cannot be written"),
        (lambda made: made.model_copy(update={"note": "\ud83d"}), "an order that cannot be written"),
        (lambda made: made.model_copy(update={"colour": "red"}), "a field that orders do not have: colour"),
        (lambda made: _with_line(made, colour="red"), "a field that orders do not have: lines.colour"),
    ],
)
def test_anything_but_a_valid_result_is_an_error_of_this_order(function: Callable[[Any], object], message: str) -> None:
    with pytest.raises(Malformed) as raised:
        made_by(function)(order("7", version=3))
    assert str(raised.value).startswith("transform rules:made ")
    assert message in str(raised.value)
    assert "Ada" not in str(raised.value)


def test_a_price_made_of_floats_is_refused() -> None:
    with pytest.raises(Malformed, match=r"lines\.0\.unit_price: an amount must be a Decimal"):
        made_by(lambda made: _with_line(made, unit_price=0.1))(order("7"))


def test_a_result_is_normalized_as_a_provider_s_order_is() -> None:
    result = made_by(lambda made: _with_line(made, unit_price=Decimal("1.50")))(order("7"))
    assert isinstance(result, Order)
    assert result == Order.model_validate_json(result.model_dump_json())
    assert str(result.lines[0].unit_price) == "1.5"


def test_a_transform_cannot_change_the_order_of_another_route() -> None:
    def change(made: Order) -> Order:
        made.custom["shop"]["colour"] = "red"
        return made

    given_order = order("7", custom={"shop": {"colour": "blue"}})
    result = made_by(change)(given_order)
    assert isinstance(result, Order)
    assert (given_order.custom, result.custom) == ({"shop": {"colour": "blue"}}, {"shop": {"colour": "red"}})


def test_a_reason_is_kept_on_one_line_and_short() -> None:
    assert made_by(lambda _: Skip("no\n\x1b[31m sku\u202e" + "x" * 500))(order("7")) == Skip(
        ("no [31m sku " + "x" * 500)[:300]
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(field=st.sampled_from(sorted(Order.model_fields)), value=anything)
@settings(max_examples=examples(40, 300), deadline=None)
def test_whatever_a_transform_puts_into_a_field_is_valid_or_an_error_of_this_order(field: str, value: object) -> None:
    before = order("7", version=3)
    try:
        result = made_by(lambda made: made.model_copy(update={field: value}))(before)
    except Malformed:
        return
    assert isinstance(result, Order)
    assert (result.key, result.version) == (before.key, before.version)
    assert result == Order.model_validate_json(result.model_dump_json())
    assert len(result.fingerprint()) == 32


def route(function: Callable[[Order], object] | None = None, **given_keys: Any) -> Route:
    transform = None if function is None else made_by(function)
    return Route(**{"source": "shop", "targets": ("t",), "transform": transform} | given_keys)


def _note(text: str) -> Callable[[Order], object]:
    return lambda made: made.model_copy(update={"note": text})


def through(routes: list[Route], made: Order) -> Delivery:
    return route_to(routes, made, str)


def test_the_first_route_that_accepts_and_does_not_skip_decides() -> None:
    routes = [
        route(_note("nl"), only={"store": ["nl"]}),
        route(lambda _: Skip("not this one")),
        route(_note("third")),
    ]
    for store, note in (("nl", "nl"), ("be", "third")):
        delivery = through(routes, order("1", store=store))
        assert delivery is not None
        assert (delivery.order.note, delivery.wanted, delivery.hold) == (note, True, "")


def test_a_skipped_order_is_unwanted_and_held_if_it_was_delivered_before() -> None:
    delivery = through([route(lambda _: Skip("a gift card"))], order("1"))
    left_out, hold = "its transform left it out: a gift card", "transform left out by its transform: a gift card"
    assert delivery == Delivery(order("1"), "1", left_out, "transform", hold)


def test_a_held_order_carries_the_code_and_the_reason() -> None:
    held = through([route(lambda _: Hold("sku unknown"))], order("1"))
    assert held == Delivery(order("1"), "1", hold="transform sku unknown")
    review = through([route(lambda made: Hold("large", made.model_copy(update={"note": "x"})))], order("1"))
    assert review == Delivery(order("1", note="x"), "1", hold="review large")
    assert held.fingerprint != order("1").fingerprint()


def test_the_change_of_an_order_that_left_the_filter_is_transformed_by_the_route_that_sent_it() -> None:
    routes = [
        route(_note("nl"), only={"store": ["nl"], "status": ["new"]}),
        route(_note("be"), only={"store": ["be"], "status": ["new"]}),
    ]
    delivery = through(routes, order("1", store="be", status=Status.SHIPPED))
    assert (delivery.order.note, delivery.wanted) == ("be", False)


def test_a_transform_cannot_change_the_reference() -> None:
    delivery = through(
        [route(lambda made: made.model_copy(update={"source_id": "S2"}), reference="{source_id}")],
        order("1", source_id="S1"),
    )
    assert delivery is not None
    assert (delivery.reference, delivery.order.source_id) == ("S1", "S2")


def test_a_failing_transform_is_an_error_where_the_order_is_wanted_only() -> None:
    routes = [route(_raise(KeyError()), only={"store": ["nl"]})]
    with pytest.raises(PermanentError):
        through(routes, order("1", store="nl"))
    unwanted = through(routes, order("1", store="be"))
    assert unwanted is not None
    assert (unwanted.wanted, unwanted.hold.startswith("transform transform rules:made failed")) == (False, True)


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"status": Status.CANCELLED}, "by its transform, its status is cancelled"),
        ({"status": Status.RETURNED}, "by its transform, its status is returned"),
        ({"test": True}, "by its transform, it is a test order"),
    ],
)
def test_an_order_that_a_transform_cancels_or_makes_a_test_is_not_created(update: dict[str, Any], reason: str) -> None:
    delivery = through([route(lambda made: made.model_copy(update=update))], order("1"))
    assert delivery is not None
    assert (delivery.wanted, delivery.left_out, delivery.hold) == (False, reason, "")
    allowed = ("cancelled", "returned", "test")
    wanted = through([route(lambda made: made.model_copy(update=update), also_create=allowed)], order("1"))
    assert wanted is not None
    assert wanted.wanted
