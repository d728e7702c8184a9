"""The checks of a target that can update orders. Each raises AssertionError for a broken promise."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from schemas.changes import Changes, fingerprints
from schemas.order import Order
from worker.lab.conformance.failures import error_of, failures, leaked, require_delay, shapes, stories
from worker.lab.conformance.stage import Json, repriced, story_of
from worker.lab.conformance.targets import ORDER

if TYPE_CHECKING:
    from worker.lab.conformance.stage import Case, Failure


#: What an order may be like that cannot be written, to be cancelled all the same.
_UNWRITABLE: Final[tuple[Json, ...]] = (
    {"totals": {"grand": "-1"}},
    {"totals": {"grand": "100000", "discount": "0.005"}},
    {"lines": (), "totals": {"grand": "5"}},
    {"lines": [{"name": "Mug", "quantity": "-0.5", "unit_price": "-1", "discount": "3"}]},
    {"lines": [{"sku": "unknown", "quantity": "0.333", "unit_price": "1"}], "currency": None},
    {"lines": (), "totals": {}, "removed": "deleted"},
    {"shipping_address": {"country": "Narnia"}, "customer": {"first_name": "x" * 10_000}, "currency": "XTS"},
    {"ordered_at": "0001-01-01T00:00:00Z", "version": None},
)


def _order(scene: Json) -> Order:
    return Order.model_validate(scene.get("order", ORDER))


def _changes(scene: Json, order: Order) -> Changes:
    """Return what changed since the scene's `sent` order; everything if the scene has none."""
    return Changes.between(fingerprints(Order.model_validate(scene["sent"])) if "sent" in scene else b"", order)


def _error(target: Any, scene: Json, order: Order | None = None) -> Any:
    order = order or _order(scene)
    return error_of(lambda: target.change(order, scene["given"], scene["target_id"], _changes(scene, order)))


def _asked_until(at: int, wanted: list[Json], failure: Failure) -> list[Json]:
    """Return the expected requests with `failure` at call number `at`: a refused token is renewed once."""
    asked = wanted[: at + 1]
    if failure.status == 401 and "Authorization" in asked[at].get("headers", {}):
        return [*asked, asked[0], asked[at]]
    return asked


def the_recordings_cover_an_update(case: Case) -> None:
    """Require recordings of a change, a cancellation, a missing order and a rejected change."""
    assert case.adapter.updates
    for name in ("updated", "updated_cancelled", "update_gone", "update_rejected"):
        assert case.scenes[name]["shows"]
    assert {"raises"} & case.scenes["update_gone"].keys()
    assert case.scenes["updated_cancelled"]["order"]["status"] == "cancelled"
    assert "raises" not in case.scenes["updated_cancelled"]


def a_change_is_sent_as_recorded(case: Case) -> None:
    for scene in case.scenes_of("update", "updated").values():
        with case.playing(scene) as (target, stage):
            error = _error(target, scene)
        assert type(error).__name__ == scene.get("raises", "NoneType")
        assert stage.asked == stage.wanted()


def a_change_does_not_depend_on_the_targets_id(case: Case) -> None:
    """Require that an update works without the target's id, which may be unknown."""
    scene = case.scenes["updated"]
    with case.playing(scene) as (target, _):
        assert _error(target, {**scene, "target_id": ""}) is None


def a_cancellation_needs_nothing_else_of_the_order(case: Case) -> None:
    """Require that an order is cancelled although it has become one that cannot be written, by the recorded calls."""
    scene = case.scenes["updated_cancelled"]
    asked = [exchange | {"ask": exchange["ask"] | {"body": None}} for exchange in scene["exchanges"]]
    for fields in _UNWRITABLE:
        order = Order.model_validate({**scene["order"], **fields})
        with case.playing(scene | {"exchanges": asked}) as (target, stage):
            error = _error(target, scene, order)
        assert (fields, error) == (fields, None)
        assert (fields, _calls(stage.asked)) == (fields, _calls(stage.wanted()))


def _calls(asked: list[Json]) -> list[tuple[str, str]]:
    return [(ask["method"], ask["path"]) for ask in asked]


def every_amount_of_a_change_arrives_exact(case: Case) -> None:
    """Require exact amounts in any calls; the recorded responses match other bodies as well."""
    amount = Decimal("12345678901234567890.12")
    scene = case.scenes["updated"]
    order = _order(scene)
    order = repriced(order, amount)
    asked = [exchange | {"ask": exchange["ask"] | {"body": None}} for exchange in scene["exchanges"]]
    with case.playing(scene | {"exchanges": asked}) as (target, stage):
        _error(target, scene, order)
    assert "".join(stage.bodies).count(str(amount)) >= len(order.lines)


def a_change_that_may_be_missing_is_not_reported_as_made(case: Case) -> None:
    """Require that a failed call is the last one: nothing is written after it, and nothing twice."""
    scene = case.scenes["updated"]
    for at, exchange in enumerate(scene["exchanges"]):
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, at) as (target, stage):
                error = _error(target, scene)
            name = failure.read if exchange["ask"]["method"] == "GET" else failure.write
            wanted = exchange.get("instead", {}).get(failure.name, name)
            assert (failure.name, type(error).__name__) == (failure.name, wanted)
            assert (failure.name, stage.asked) == (failure.name, _asked_until(at, stage.wanted(), failure))
    with case.playing(scene) as (target, stage):
        stage.away()
        assert type(_error(target, scene)).__name__ == "Unavailable"


def slow_down_after_a_change_closes_the_limit(case: Case) -> None:
    require_delay(case, case.scenes["updated"], _error)


def a_refused_change_keeps_the_response_text_out_of_the_message(case: Case) -> None:
    scene = case.scenes["update_rejected"]
    with case.playing(scene) as (target, _):
        error = _error(target, scene)
    assert (error.fields, str(error)) == (scene["fields"], scene["message"])
    assert [word for word in scene["private"] if word in story_of(error)] == []


def no_message_of_a_change_holds_a_secret_or_a_person(case: Case) -> None:
    scenes = (scene for scene in case.scenes_of("update", "updated").values() if scene["exchanges"])
    assert leaked(case, stories(case, scenes, _error)) == []
