"""The checks of a target that creates many orders in one call. Each raises AssertionError for a broken promise."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from schemas.order import Order
from worker.errors import IntakeError
from worker.lab.conformance.failures import failures, leaked, require_delay, shapes, stories
from worker.lab.conformance.stage import repriced, story_of
from worker.lab.conformance.targets import ORDER
from worker.systems.target import Receipt, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.lab.conformance.stage import Case, Json


def _batch(scene: Json) -> list[tuple[Order, str]]:
    """Return the orders and references of a scene; without orders of its own, each is the common test order."""
    orders = scene.get("orders", [None] * len(scene["given"]))
    pairs = zip(orders, scene["given"], strict=True)
    return [(Order.model_validate(own) if own else ORDER, reference) for own, reference in pairs]


def _error(target: Any, scene: Json, batch: Sequence[tuple[Order, str]] | None = None) -> BaseException | None:
    """Return the error of the whole call, or the error of the first order without a receipt."""
    try:
        outcomes = target.create_many(_batch(scene) if batch is None else batch)
    except Exception as error:  # noqa: BLE001  # whatever it is, the check names it
        return error
    return next((outcome for outcome in outcomes if not isinstance(outcome, Receipt)), None)


def _known(outcome: Receipt | IntakeError) -> Json:
    if isinstance(outcome, Receipt):
        return {"receipt": {"target_id": outcome.target_id, "existed": outcome.existed}}
    fields = getattr(outcome, "fields", {})
    return {"raises": type(outcome).__name__, "message": str(outcome)} | ({"fields": fields} if fields else {})


def the_recordings_cover_a_batch(case: Case) -> None:
    """Require an accepted batch, one with a rejected order, and those that the capabilities imply."""
    wanted = {"batch", "batch_in_part"} | ({"batch_again"} if case.adapter.dedupes else set())
    wanted |= set() if case.adapter.absent is Target.absent else {"absent"}
    assert all(case.scenes[name]["shows"] for name in sorted(wanted))
    assert case.adapter.bulk > 1
    assert ["raises" in outcome for outcome in case.scenes["batch"]["outcomes"]].count(True) == 0
    assert ["raises" in outcome for outcome in case.scenes["batch_in_part"]["outcomes"]].count(True) == 1
    assert len(case.scenes["batch_in_part"]["outcomes"]) > 2


def each_order_of_a_batch_gets_its_own_outcome(case: Case) -> None:
    """Require one outcome per order, in their order, unless the batch is refused as a whole."""
    for scene in case.scenes_of("create_many", "batch").values():
        with case.playing(scene) as (target, stage):
            if "raises" in scene:
                assert type(_error(target, scene)).__name__ == scene["raises"]
            else:
                assert [_known(outcome) for outcome in target.create_many(_batch(scene))] == scene["outcomes"]
        assert stage.asked == stage.wanted()


def an_order_that_may_exist_is_never_reported_absent(case: Case) -> None:
    """Require that no existing order is reported absent, and none if the search fails: absent orders are created."""
    if case.adapter.absent is Target.absent:
        return
    for scene in case.scenes_of("absent", "absent").values():
        with case.playing(scene) as (target, stage):
            assert sorted(target.absent(scene["given"])) == scene["absent"]
        assert stage.asked == stage.wanted()
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, 0) as (target, _):
                told: Any = ()
                with suppress(IntakeError):
                    told = target.absent(scene["given"])
            assert (failure.name, list(told)) == (failure.name, [])


def every_amount_of_a_batch_arrives_exact(case: Case) -> None:
    amount = Decimal("12345678901234567890.12")
    order = repriced(ORDER, amount)
    scene = case.scenes["batch"]
    with case.playing(scene) as (target, stage):
        _error(target, scene, [(order, reference) for reference in scene["given"]])
        assert max((body.count(str(amount)) for body in stage.bodies), default=0) >= len(order.lines) * len(
            scene["given"]
        )


def a_batch_whose_answer_is_lost_is_uncertain(case: Case) -> None:
    """Require that no order of the batch has a receipt, and that nothing is sent a second time."""
    scene = case.scenes["batch"]
    for at, exchange in enumerate(scene["exchanges"]):
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, at) as (target, stage):
                try:
                    told = list(target.create_many(_batch(scene)))
                except Exception as error:  # noqa: BLE001  # whatever it is, it is named below
                    told = [error]
            reading = exchange["ask"]["method"] == "GET"
            wanted = exchange.get("instead", {}).get(failure.name, failure.read if reading else failure.write)
            named = {(failure.name, type(one).__name__, getattr(one, "uncertain", False)) for one in told}
            assert named == {(failure.name, wanted, failure.status == 503)}
            assert [ask["method"] for ask in stage.asked].count("POST") == (not reading)


def a_batch_that_could_not_be_sent_is_unavailable(case: Case) -> None:
    scene = case.scenes["batch"]
    with case.playing(scene) as (target, stage):
        stage.away()
        assert type(_error(target, scene)).__name__ == "Unavailable"
    assert stage.asked == []


def slow_down_after_a_batch_closes_the_limit(case: Case) -> None:
    require_delay(case, case.scenes["batch"], _error)


def no_outcome_of_a_batch_holds_a_secret_or_a_person(case: Case) -> None:
    scenes = case.scenes_of("create_many", "batch").values()
    assert leaked(case, stories(case, scenes, _error, at=0)) == []
    for scene in scenes:
        with case.playing(scene) as (target, _):
            assert leaked(case, [story_of(_error(target, scene))]) == []
