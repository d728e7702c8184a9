"""The checks that every target must pass. Each raises AssertionError for a broken promise."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order
from worker.errors import AuthFailed, Rejected
from worker.lab.conformance.failures import error_of, failures, leaked, require_delay, shapes, stories
from worker.lab.conformance.stage import load, repriced, story_of
from worker.systems.target import Pending, Receipt

if TYPE_CHECKING:
    from worker.lab.conformance.stage import Case, Json

#: The order to create, unless a scene has its own.
ORDER: Final = Order.model_validate(load(Path(__file__).with_name("order.json").read_text("utf-8")))


def _call(target: Any, scene: Json) -> Any:
    order = Order.model_validate(scene.get("order", ORDER))
    return {
        "create": lambda: target.create(order, scene["given"]),
        "resume": lambda: target.resume(order, scene["given"], scene["step"]),
        "find": lambda: target.find(scene["given"]),
        "check": target.check,
    }[scene["call"]]()


def _error(target: Any, scene: Json) -> Any:
    return error_of(lambda: _call(target, scene))


def _receipt(scene: Json) -> Receipt | Pending | None:
    if "pending" in scene:
        return Pending(**{**scene["pending"], "delay": float(scene["pending"]["delay"])})
    return Receipt(**scene["receipt"]) if scene["receipt"] else None


def _play(case: Case, scene: Json) -> None:
    with case.playing(scene) as (target, stage):
        if "raises" in scene:
            assert type(_error(target, scene)).__name__ == scene["raises"]
        else:
            assert _call(target, scene) == _receipt(scene)
        assert stage.asked == stage.wanted()


def the_recordings_cover_every_case(case: Case) -> None:
    """Require recordings of a created, an existing, a found, a missing and a rejected order, and of `check`."""
    wanted = ["created", "found", "missing", "rejected", "check", *(["again"] if case.adapter.dedupes else [])]
    if "pending" in case.scenes["created"]:
        wanted += ["resumed", "processing", "rejected_later"]
    assert all(case.scenes[name]["shows"] for name in wanted)
    assert all(scene["shows"] for scene in case.scenes.values())


def it_sends_the_recorded_body_and_returns_the_outcome(case: Case) -> None:
    for scene in case.scenes_of("create", "created").values():
        _play(case, scene)


def every_amount_arrives_exact(case: Case) -> None:
    """Require exact amounts in any calls; the recorded responses match other bodies as well."""
    amount = Decimal("12345678901234567890.12")
    scene = case.scenes["created"]
    order = Order.model_validate(scene.get("order", ORDER))
    # A system may write amounts in its own way, or have no field for the amount of a line.
    written = case.account.get("amount", {"text": str(amount), "times": len(order.lines)})
    order = repriced(order, amount)
    asked = [exchange | {"ask": exchange["ask"] | {"body": None}} for exchange in scene["exchanges"]]
    with case.playing(scene | {"exchanges": asked}) as (target, stage):
        _error(target, scene | {"order": order})
        assert "".join(stage.bodies).count(written["text"]) >= written["times"]


def it_carries_the_reference_and_not_an_id_of_the_order(case: Case) -> None:
    scene = {**case.scenes["created"], "given": "another-reference"}
    with case.playing(scene) as (target, stage):
        _error(target, scene)
        assert "another-reference" in str(stage.asked)
        assert case.scenes["created"]["given"] not in str(stage.asked)


def an_existing_order_is_a_success_and_reported_as_existing(case: Case) -> None:
    """Require the same id as for a created order, or none if `find` returns it."""
    if not case.adapter.dedupes:
        return
    created = case.scenes["created"]["receipt"]["target_id"]
    for scene in case.scenes_named("again"):
        with case.playing(scene) as (target, _):
            receipt = _call(target, scene)
        assert receipt.existed
        assert receipt.target_id in {created, None}
    with case.playing(case.scenes["found"]) as (target, _):
        assert target.find(case.scenes["created"]["given"]) == Receipt(created, existed=True)


def a_pending_order_is_resumed_until_it_is_decided(case: Case) -> None:
    """Require that only reads are sent, because a lost response to a read does not change the order."""
    if "pending" not in case.scenes["created"]:
        return
    for scene in case.scenes_of("resume", "resumed").values():
        _play(case, scene)
    scene = case.scenes["resumed"]
    assert scene["step"] == case.scenes["created"]["pending"]["step"]
    for at in range(len(scene["exchanges"])):
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, at) as (target, stage):
                error = _error(target, scene)
            assert (failure.name, type(error).__name__) == (failure.name, failure.read)
            assert {ask["method"] for ask in stage.asked} == {"GET"}


def find_returns_the_order_of_exactly_this_reference_or_none(case: Case) -> None:
    for scene in (case.scenes["found"], case.scenes["missing"], *case.scenes_of("find").values()):
        _play(case, scene)


def check_needs_the_credentials(case: Case) -> None:
    _play(case, case.scenes["check"] | {"receipt": None})
    refused = next(failure for failure in failures(case) if failure.name == "wrong key")
    with case.playing(case.scenes["check"], refused) as (target, _):
        assert isinstance(_error(target, case.scenes["check"]), AuthFailed)


def every_failure_of_a_read_is_raised_as_the_right_error(case: Case) -> None:
    scene = case.scenes["found"]
    for at, exchange in enumerate(scene["exchanges"]):
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, at) as (target, _):
                error = _error(target, scene)
            wanted = exchange.get("instead", {}).get(failure.name, failure.read)
            assert (failure.name, type(error).__name__) == (failure.name, wanted)


def a_create_that_may_have_happened_is_uncertain(case: Case) -> None:
    """Require Uncertain, or a delay that is marked uncertain, for a status that does not decide the order."""
    scene = case.scenes["created"]
    for at, exchange in enumerate(scene["exchanges"]):
        for failure in [*failures(case), *shapes()]:
            with case.playing(scene, failure, at) as (target, stage):
                error = _error(target, scene)
                writes = [ask for ask in stage.asked if ask["method"] != "GET"]
            name = failure.read if exchange["ask"]["method"] == "GET" else failure.write
            wanted = exchange.get("instead", {}).get(failure.name, name)
            assert (failure.name, type(error).__name__) == (failure.name, wanted)
            doubtful = failure.status == 503 and exchange["ask"]["method"] != "GET"
            assert (failure.name, getattr(error, "uncertain", False)) == (failure.name, doubtful)
            # a write that was refused for its token may be repeated with a new one
            assert len(writes) <= 1 + at + 2 * (failure.status == 401)


def a_create_that_could_not_be_sent_is_unavailable(case: Case) -> None:
    scene = case.scenes["created"]
    with case.playing(scene) as (target, stage):
        stage.away()
        assert type(_error(target, scene)).__name__ == "Unavailable"
    assert stage.asked == []


def slow_down_closes_the_limit_for_the_time_in_the_response(case: Case) -> None:
    for name in ("created", "found", "check"):
        require_delay(case, case.scenes[name], _error)


def a_rejection_keeps_the_response_text_out_of_the_message(case: Case) -> None:
    for scene in case.scenes_named("rejected"):
        with case.playing(scene) as (target, _):
            error = _error(target, scene)
        assert isinstance(error, Rejected)
        assert error.fields == scene["fields"]
        assert (str(error), [word for word in scene["private"] if word in story_of(error)]) == (scene["message"], [])


def no_message_holds_a_secret_or_a_person(case: Case) -> None:
    with case.playing(case.scenes["check"]) as (target, _):
        assert leaked(case, [repr(target) + repr(target.options)]) == []
    assert leaked(case, stories(case, (case.scenes[name] for name in ("created", "found", "check")), _error)) == []


def its_kind_is_the_name_of_its_module_or_package(case: Case) -> None:
    assert case.adapter.kind == case.kind
    assert case.kind in case.adapter.__module__.split(".")[-2:]
