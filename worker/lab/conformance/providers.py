"""The checks that every provider must pass. Each raises AssertionError for a broken promise."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order
from worker.errors import AuthFailed, IntakeError, Malformed, Unavailable
from worker.inbox.record import to_order
from worker.lab.conformance.failures import error_of, failures, leaked, require_delay, shapes, stories
from worker.lab.conformance.stage import story_of
from worker.systems.provider import Page, Record, Unread

if TYPE_CHECKING:
    from worker.lab.conformance.stage import Case, Json


def _call(provider: Any, scene: Json) -> Any:
    given = scene.get("given")
    return {
        "fetch": lambda: provider.fetch(given),
        "fetch_one": lambda: provider.fetch_one(given),
        "check": provider.check,
    }[scene["call"]]()


def _error(provider: Any, scene: Json) -> Any:
    return error_of(lambda: _call(provider, scene))


def _name(error: BaseException | None) -> str | None:
    """Return the name of the error; a partly readable page counts as unavailable."""
    if isinstance(error, Unread):
        return "Unavailable"
    return type(error).__name__ if error else None


def _orders(provider: Any, records: list[Record]) -> list[Any]:
    """Return each record as an order, or as the field that makes it malformed."""
    read: list[Any] = []
    for record in records:
        try:
            read.append(provider.normalize(record))
        except Malformed as error:
            read.append({"malformed": error.field})
    return read


def _normalized(provider: Any, raw: Json) -> Any:
    try:
        return provider.normalize(Record(raw))
    except Exception as error:  # noqa: BLE001  # whatever it is, the check names it
        return error


def _recorded(scene: Json) -> list[Any]:
    return [order if "malformed" in order else Order.model_validate(order) for order in scene["orders"]]


def it_sends_and_returns_exactly_what_is_recorded(case: Case) -> None:
    for scene in case.scenes_of("fetch", "first").values():
        with case.playing(scene) as (provider, stage):
            page = provider.fetch(scene["given"])
            assert (_orders(provider, page.records), page.cursor, page.more) == (
                _recorded(scene),
                scene["cursor"],
                scene["more"],
            )
            assert stage.asked == stage.wanted()


def the_recordings_cover_every_case(case: Case) -> None:
    """Require recordings of three kinds of pages, a malformed record, a found and a missing order, and `check`."""
    for name in ("first", "following", "empty", "malformed", "one", "missing", "check"):
        assert case.scenes[name]["shows"]
    assert all(scene["shows"] for scene in case.scenes.values())
    first, following, empty = (case.scenes[name] for name in ("first", "following", "empty"))
    assert (first["given"], following["given"]) == (case.account["start"], first["cursor"])
    assert first["orders"]
    assert following["orders"]
    assert (empty["orders"], empty["more"]) == ([], False)
    assert any("malformed" in order for order in case.scenes["malformed"]["orders"])


def the_first_cursor_depends_on_the_start_time_alone(case: Case) -> None:
    since = datetime.fromisoformat(case.account["since"])
    with case.playing(case.scenes["check"]) as (provider, stage):
        elsewhere = since.astimezone(datetime.fromisoformat("2024-01-01T00:00:00+05:30").tzinfo)
        assert provider.start(since) == provider.start(elsewhere) == case.account["start"]
        assert provider.start(datetime(2020, 1, 1, tzinfo=UTC)) != case.account["start"]
        assert stage.asked == []


def an_empty_page_keeps_the_cursor(case: Case) -> None:
    scene = case.scenes["empty"]
    with case.playing(scene) as (provider, _):
        assert provider.fetch(scene["given"]) == Page([], scene["given"], more=False)


def the_cursor_alone_resumes_a_fresh_instance(case: Case) -> None:
    first, following = case.scenes["first"], case.scenes["following"]
    with case.playing(first) as (provider, _):
        cursor = provider.fetch(case.account["start"]).cursor
        again = provider.fetch(case.account["start"])
        assert (_orders(provider, again.records), again.cursor) == (_recorded(first), cursor)
    with case.playing(following) as (provider, stage):
        page = provider.fetch(cursor)
        assert (_orders(provider, page.records), page.cursor) == (_recorded(following), following["cursor"])
        assert stage.asked == stage.wanted()


def normalize_is_pure_and_repeatable(case: Case) -> None:
    scene = case.scenes["first"]
    with case.playing(scene) as (provider, stage):
        records = provider.fetch(scene["given"]).records
        assert records
        before, calls = copy.deepcopy(records), len(stage.asked)
        orders = [provider.normalize(record) for record in records]
        assert orders == [provider.normalize(record) for record in records]
        assert [order.fingerprint() for order in orders] == [order.fingerprint() for order in _recorded(scene)]
        assert (records, len(stage.asked)) == (before, calls)


def an_order_is_known_by_the_account_it_came_from(case: Case) -> None:
    scene = case.scenes["first"]
    with case.playing(scene) as (provider, _):
        keys = [order.key for order in _orders(provider, provider.fetch(scene["given"]).records)]
    assert keys
    assert all(key.startswith(f"{case.account['name']}:") for key in keys)
    assert len(set(keys)) == len(keys)


def a_malformed_record_is_named_and_does_not_stop_the_page(case: Case) -> None:
    scene = case.scenes["malformed"]
    with case.playing(scene) as (provider, _):
        read = _orders(provider, provider.fetch(scene["given"]).records)
    assert read == _recorded(scene)
    assert all(order["malformed"] for order in read if isinstance(order, dict))
    assert any(isinstance(order, Order) for order in read)


def any_record_is_an_order_or_malformed(case: Case) -> None:
    """Replace each value of each recorded record in turn by values of other types."""
    scene = case.scenes["first"]
    with case.playing(scene) as (provider, _):
        records = provider.fetch(scene["given"]).records
        assert records
        for record in records:
            for raw in _spoiled(record.raw):
                assert isinstance(_normalized(provider, raw), Order | Malformed)


_SILLY: Final[tuple[Any, ...]] = (None, [], {}, "", "silly", -1, True, [None], {"a": 1})


def _spoiled(value: Any) -> list[Any]:
    """Return copies of `value`, each with one part of it replaced or removed."""
    if isinstance(value, dict):
        here = [{**value, key: silly} for key in value for silly in _SILLY]
        gone = [{other: value[other] for other in value if other != key} for key in value]
        return here + gone + [{**value, key: inner} for key in value for inner in _spoiled(value[key])]
    if isinstance(value, list):
        return [[*value[:at], inner, *value[at + 1 :]] for at in range(len(value)) for inner in _spoiled(value[at])]
    return []


def one_order_is_fetched_by_its_id_or_is_none(case: Case) -> None:
    for scene in (case.scenes["one"], case.scenes["missing"], *case.scenes_of("fetch_one").values()):
        with case.playing(scene) as (provider, stage):
            record = provider.fetch_one(scene["given"])
            assert _orders(provider, [record] if record else []) == _recorded(scene)
            assert stage.asked == stage.wanted()


def check_needs_the_credentials(case: Case) -> None:
    for scene in case.scenes_of("check", "check").values():
        with case.playing(scene) as (provider, stage):
            error = _error(provider, scene)
            assert _name(error) == scene.get("raises")
            assert stage.asked == stage.wanted()
    refused = next(failure for failure in failures(case) if failure.name == "wrong key")
    with case.playing(case.scenes["check"], refused) as (provider, _):
        assert isinstance(_error(provider, case.scenes["check"]), AuthFailed)


def every_failure_is_raised_as_the_right_error(case: Case) -> None:
    for scene in (case.scenes[name] for name in ("first", "following", "one", "check")):
        for at, exchange in enumerate(scene["exchanges"]):
            for failure in failures(case):
                with case.playing(scene, failure, at) as (provider, _):
                    error = _error(provider, scene)
                wanted = exchange.get("instead", {}).get(failure.name, failure.read)
                # A refusal of one order by itself, after the list was read, is that of the order.
                alone = isinstance(error, Unread) and wanted not in {"RateLimited", "TargetDown"}
                assert (failure.name, _name(error)) == (failure.name, "Unavailable" if alone else wanted)


def a_response_of_another_shape_counts_as_no_response(case: Case) -> None:
    """Require it of other JSON, and of a page without its headers if the provider then reads another page from it.

    For a list without an envelope, `instead` of the exchange says that "shape []" is an empty page (null).
    """
    for scene in (case.scenes[name] for name in ("first", "following", "one")):
        for at, exchange in enumerate(scene["exchanges"]):
            for failure in shapes():
                with case.playing(scene, failure, at) as (provider, _):
                    wanted = exchange.get("instead", {}).get(failure.name, failure.read)
                    assert (failure.name, _name(_error_or_nothing(provider, scene))) == (failure.name, wanted)
            if "headers" in exchange:
                _require_headers(case, scene, at)


def _require_headers(case: Case, scene: Json, at: int) -> None:
    """Require that a response without its headers is no response, or is read as with them."""
    bare = [{**exchange, "headers": {}} if n == at else exchange for n, exchange in enumerate(scene["exchanges"])]
    with case.playing(scene) as (provider, _):
        read = _call(provider, scene)
    with case.playing({**scene, "exchanges": bare}) as (provider, _):
        try:
            assert _call(provider, scene) == read
        except Unavailable:
            return


def a_list_that_moves_while_it_is_read_loses_no_order(case: Case) -> None:
    """Require that an order which is listed all the time is read, although another enters or leaves between two pages.

    A system whose list cannot move says why in `list_never_moves` of account.json.
    """
    if case.account.get("list_never_moves"):
        return
    for moved in ("inserted", "removed"):
        scenes = [scene for scene in case.scenes_of("walk").values() if scene["moved"] == moved]
        for scene in scenes or [case.scenes[moved]]:
            assert len(scene["steps"]) > 1, "a list moves between two pages"
            assert scene["listed"], "name the orders that are listed all the time"
            lost = set(scene["listed"]) - _walked(case, scene)
            assert not lost, f"{moved}: these orders are listed all the time, and were not read: {sorted(lost)}"


def _walked(case: Case, scene: Json) -> set[str]:
    """Return the ids of the orders on all pages of a walk, each of which is read from the list as it then is."""
    cursor, ids = scene["given"], set[str]()
    for number, step in enumerate(scene["steps"], 1):
        with case.playing({**scene, "exchanges": step["exchanges"]}) as (provider, stage):
            try:
                page = provider.fetch(cursor)
            except IntakeError:
                assert stage.asked == stage.wanted()
                raise
            ids |= {order.external_id for order in _orders(provider, page.records) if isinstance(order, Order)}
            assert stage.asked == stage.wanted()
        assert page.more or number == len(scene["steps"]), f"reading ends with page {number}"
        cursor = page.cursor
    return ids


def _error_or_nothing(provider: Any, scene: Json) -> Any:
    """Return the error of the call. An item of a list that is no record is a dead letter, and no order."""
    pages: list[Page] = []
    error = error_of(lambda: pages.append(_call(provider, scene)))
    if error is None and pages and isinstance(pages[0], Page) and pages[0].records:
        outcomes = [error_of(partial(to_order, provider, record)) for record in pages[0].records]
        return Unavailable("no record") if any(outcomes) else None
    return error


def slow_down_closes_the_limit_for_the_time_in_the_response(case: Case) -> None:
    for name in ("first", "one", "check"):
        require_delay(case, case.scenes[name], _error)


def no_message_holds_a_secret_or_a_person(case: Case) -> None:
    assert leaked(case, stories(case, (case.scenes[name] for name in ("first", "one", "check")), _error)) == []
    with case.playing(case.scenes["first"]) as (provider, _):
        assert [word for word in case.secrets() if word in repr(provider) + repr(provider.options)] == []
        records = provider.fetch(case.account["start"]).records
        outcomes = (_normalized(provider, raw) for record in records for raw in _spoiled(record.raw))
        assert leaked(case, (story_of(outcome) for outcome in outcomes if isinstance(outcome, Exception))) == []


def its_kind_is_the_name_of_its_module_or_package(case: Case) -> None:
    assert case.adapter.kind == case.kind
    assert case.kind in case.adapter.__module__.split(".")[-2:]
