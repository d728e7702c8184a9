"""Providers that each break one promise, derived from any provider; each must fail its conformance check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import accepts_any_key, has_another_kind, having, ignores_the_limiter, renaming
from worker.errors import IntakeError, Malformed, Rejected, Unavailable
from worker.systems.provider import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.lab.conformance.stage import Case
    from worker.systems.provider import Provider


def _changing_fields(case: Case, **fields: Any) -> Case:
    real: type[Provider] = case.adapter
    return having(case, normalize=lambda self, record: real.normalize(self, record).model_copy(update=fields))


def adds_a_note(case: Case) -> Case:
    return _changing_fields(case, internal_note="seen")


def makes_an_extra_call(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def fetch(self: Any, cursor: str) -> Page:
        self.check()
        return real.fetch(self, cursor)

    return having(case, fetch=fetch)


def always_reports_more_pages(case: Case) -> Case:
    real: type[Provider] = case.adapter
    return having(case, fetch=lambda self, cursor: replace(real.fetch(self, cursor), more=True))


def lacks_the_recording_of_an_empty_page(case: Case) -> Case:
    return replace(case, scenes={name: scene for name, scene in case.scenes.items() if name != "empty"})


def ignores_the_start_time(case: Case) -> Case:
    real: type[Provider] = case.adapter
    return having(case, start=lambda self, since: real.start(self, datetime(2020, 1, 1, tzinfo=UTC)))


def changes_the_cursor_of_an_empty_page(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def fetch(self: Any, cursor: str) -> Page:
        page = real.fetch(self, cursor)
        return page if page.records else replace(page, cursor=page.cursor + " ")

    return having(case, fetch=fetch)


def keeps_the_real_cursor_in_memory(case: Case) -> Case:
    real: type[Provider] = case.adapter
    start = case.account["start"]

    def fetch(self: Any, cursor: str) -> Page:
        if cursor != start and not hasattr(self, "kept"):
            return Page([], cursor, more=False)
        page = real.fetch(self, cursor if cursor == start else self.kept)
        self.kept = page.cursor
        return replace(page, cursor="kept")

    return having(case, fetch=fetch)


def changes_the_record(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def normalize(self: Any, record: Any) -> Any:
        record.raw["seen"] = True
        return real.normalize(self, record)

    return having(case, normalize=normalize)


def numbers_its_orders(case: Case) -> Case:
    real: type[Provider] = case.adapter
    numbers = count()
    return having(
        case,
        normalize=lambda self, record: real.normalize(self, record).model_copy(update={"note": str(next(numbers))}),
    )


def calls_while_it_normalizes(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def normalize(self: Any, record: Any) -> Any:
        self.check()
        return real.normalize(self, record)

    return having(case, normalize=normalize)


def names_the_wrong_provider(case: Case) -> Case:
    return _changing_fields(case, provider="somebody")


def omits_the_malformed_field(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def normalize(self: Any, record: Any) -> Any:
        try:
            return real.normalize(self, record)
        except Malformed:
            raise Malformed("something is wrong") from None

    return having(case, normalize=normalize)


def stops_at_a_malformed_record(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def fetch(self: Any, cursor: str) -> Page:
        page = real.fetch(self, cursor)
        for record in page.records:
            self.normalize(record)
        return page

    return having(case, fetch=fetch)


def crashes_on_a_malformed_record(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def normalize(self: Any, record: Any) -> Any:
        try:
            return real.normalize(self, record)
        except Malformed:
            raise KeyError("items") from None

    return having(case, normalize=normalize)


def finds_nothing(case: Case) -> Case:
    return having(case, fetch_one=lambda self, external_id: None)


def reports_an_unavailable_server_as_a_rejection(case: Case) -> Case:
    return renaming(case, "fetch", wrong=Unavailable, name=lambda error: Rejected(str(error)))


def reports_an_unexpected_response_as_malformed(case: Case) -> Case:
    return renaming(case, "fetch_one", wrong=Unavailable, name=lambda error: Malformed(str(error), "order"))


def reveals_its_key(case: Case) -> Case:
    secrets = " ".join(case.secrets())
    return renaming(case, "fetch", wrong=IntakeError, name=lambda error: type(error)(f"{error} {secrets}"))


def quotes_the_record(case: Case) -> Case:
    real: type[Provider] = case.adapter

    def normalize(self: Any, record: Any) -> Any:
        try:
            return real.normalize(self, record)
        except Malformed as error:
            raise Malformed(f"{error} in {record.raw}", error.field) from None

    return having(case, normalize=normalize)


def loses_an_order_of_a_moving_list(case: Case) -> Case:
    """Leave out one of the orders that are listed all the time, as a reader by page numbers does."""
    real: type[Provider] = case.adapter
    lost = {scene["listed"][-1] for scene in case.scenes_of("walk").values()}

    def fetch(self: Any, cursor: str) -> Page:
        page = real.fetch(self, cursor)
        return replace(page, records=[each for each in page.records if self.normalize(each).external_id not in lost])

    return having(case, fetch=fetch)


def stops_after_the_first_page(case: Case) -> Case:
    real: type[Provider] = case.adapter
    return having(case, fetch=lambda self, cursor: replace(real.fetch(self, cursor), more=False))


def lacks_the_recording_of_a_removed_order(case: Case) -> Case:
    return replace(case, scenes={name: scene for name, scene in case.scenes.items() if name != "removed"})


#: The saboteurs that must fail each check.
SABOTEURS: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "it_sends_and_returns_exactly_what_is_recorded": (
        adds_a_note,
        makes_an_extra_call,
        always_reports_more_pages,
    ),
    "the_recordings_cover_every_case": (lacks_the_recording_of_an_empty_page,),
    "the_first_cursor_depends_on_the_start_time_alone": (ignores_the_start_time,),
    "an_empty_page_keeps_the_cursor": (changes_the_cursor_of_an_empty_page,),
    "the_cursor_alone_resumes_a_fresh_instance": (keeps_the_real_cursor_in_memory,),
    "normalize_is_pure_and_repeatable": (changes_the_record, numbers_its_orders, calls_while_it_normalizes),
    "an_order_is_known_by_the_account_it_came_from": (names_the_wrong_provider,),
    "a_malformed_record_is_named_and_does_not_stop_the_page": (
        omits_the_malformed_field,
        stops_at_a_malformed_record,
    ),
    "any_record_is_an_order_or_malformed": (crashes_on_a_malformed_record,),
    "one_order_is_fetched_by_its_id_or_is_none": (finds_nothing,),
    "check_needs_the_credentials": (accepts_any_key,),
    "every_failure_is_raised_as_the_right_error": (reports_an_unavailable_server_as_a_rejection,),
    "a_response_of_another_shape_counts_as_no_response": (reports_an_unexpected_response_as_malformed,),
    "a_list_that_moves_while_it_is_read_loses_no_order": (
        loses_an_order_of_a_moving_list,
        stops_after_the_first_page,
        lacks_the_recording_of_a_removed_order,
    ),
    "slow_down_closes_the_limit_for_the_time_in_the_response": (ignores_the_limiter,),
    "no_message_holds_a_secret_or_a_person": (reveals_its_key, quotes_the_record),
    "its_kind_is_the_name_of_its_module_or_package": (has_another_kind,),
}

#: The providers to which a check does not apply.
EXEMPT: Final[dict[str, Callable[[Case], bool]]] = {
    "a_list_that_moves_while_it_is_read_loses_no_order": lambda case: "list_never_moves" in case.account,
}
