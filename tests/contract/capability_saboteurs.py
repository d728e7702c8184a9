"""Targets that each break one promise of a capability; each must fail its conformance check."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import having, ignores_the_limiter, renaming
from worker.errors import Held, IntakeError, Rejected, Unavailable, Uncertain
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.changes import Changes
    from schemas.order import Order
    from worker.lab.conformance.stage import Case
    from worker.systems.target import Target

    Batch = Sequence[tuple[Order, str]]
    Outcomes = Sequence[Receipt | IntakeError]


def _without(case: Case, name: str) -> Case:
    return replace(case, scenes={key: scene for key, scene in case.scenes.items() if key != name})


def lacks_the_recording_of_a_partial_batch(case: Case) -> Case:
    return _without(case, "batch_in_part")


def lacks_the_recording_of_absence(case: Case) -> Case:
    return _without(case, "absent")


def lacks_the_recording_of_a_cancellation(case: Case) -> Case:
    return _without(case, "updated_cancelled")


def reports_all_absent(case: Case) -> Case:
    return having(case, absent=lambda self, references: references)


def reports_absence_for_an_error(case: Case) -> Case:
    real: type[Target] = case.adapter

    def absent(self: Any, references: Any) -> Any:
        try:
            return real.absent(self, references)
        except IntakeError:
            return references

    return having(case, absent=absent)


def _changing_outcomes(case: Case, change: Callable[[list[Any]], list[Any]]) -> Case:
    real: type[Target] = case.adapter
    return having(case, create_many=lambda self, batch: change(list(real.create_many(self, batch))))


def repeats_the_first_outcome(case: Case) -> Case:
    return _changing_outcomes(case, lambda outcomes: [outcomes[0]] * len(outcomes))


def reverses_the_outcomes(case: Case) -> Case:
    return _changing_outcomes(case, lambda outcomes: outcomes[::-1])


def fails_all_for_one(case: Case) -> Case:
    def change(outcomes: list[Any]) -> list[Any]:
        bad = next((outcome for outcome in outcomes if isinstance(outcome, Rejected)), None)
        return [bad] * len(outcomes) if bad else outcomes

    return _changing_outcomes(case, change)


def omits_the_last_order(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Outcomes:
        return [*real.create_many(self, batch[:-1]), Receipt("99")]

    return having(case, create_many=create_many)


def _rounded(order: Order) -> Order:
    lines = [line.model_copy(update={"unit_price": Decimal(repr(float(line.unit_price)))}) for line in order.lines]
    return order.model_copy(update={"lines": tuple(lines)})


def sends_a_batch_with_floats(case: Case) -> Case:
    real: type[Target] = case.adapter
    return having(
        case, create_many=lambda self, batch: real.create_many(self, [(_rounded(order), ref) for order, ref in batch])
    )


def reports_an_uncertain_batch_as_not_sent(case: Case) -> Case:
    return renaming(case, "create_many", wrong=Uncertain, name=lambda error: Unavailable(str(error)))


def reports_an_uncertain_batch_as_created(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Outcomes:
        try:
            return real.create_many(self, batch)
        except Uncertain:
            return [Receipt(None) for _ in batch]

    return having(case, create_many=create_many)


def resends_a_batch(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create_many(self: Any, batch: Batch) -> Outcomes:
        try:
            return real.create_many(self, batch)
        except Uncertain:
            return real.create_many(self, batch)

    return having(case, create_many=create_many)


def reports_every_failed_batch_as_uncertain(case: Case) -> Case:
    return renaming(case, "create_many", wrong=Unavailable, name=lambda error: Uncertain(str(error)))


def reveals_its_key(case: Case) -> Case:
    secrets = " ".join(case.secrets())
    return renaming(case, "create_many", "update", wrong=IntakeError, name=lambda e: type(e)(f"{e} {secrets}"))


def quotes_the_message_about_one_order(case: Case) -> Case:
    def change(outcomes: list[Any]) -> list[Any]:
        return [
            Rejected(f"{outcome} {outcome.fields}", outcome.fields) if isinstance(outcome, Rejected) else outcome
            for outcome in outcomes
        ]

    return _changing_outcomes(case, change)


def _changing_order(case: Case, change: Callable[[Order], Order]) -> Case:
    real: type[Target] = case.adapter
    return having(case, update=lambda self, order, *rest: real.update(self, change(order), *rest))


def updates_without_the_first_line(case: Case) -> Case:
    return _changing_order(case, lambda order: order.model_copy(update={"lines": order.lines[1:]}))


def updates_nothing(case: Case) -> Case:
    return having(case, update=lambda self, order, reference, target_id, changes: None)


def cancels_nothing(case: Case) -> Case:
    return having(case, cancel=lambda self, order, reference, target_id: None)


def cancels_only_what_it_can_update(case: Case) -> Case:
    real: type[Target] = case.adapter

    def change(self: Any, order: Order, *rest: Any) -> str:
        if order.totals.grand is not None:
            raise Held("an amount that cannot be written")
        return real.change(self, order, *rest)

    return having(case, change=change)


def updates_with_floats(case: Case) -> Case:
    return _changing_order(case, _rounded)


def requires_the_targets_id(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        if not target_id:
            raise Rejected("no id")
        real.update(self, order, reference, target_id, changes)

    return having(case, update=update)


def reports_an_uncertain_update_as_done(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        try:
            real.update(self, order, reference, target_id, changes)
        except Uncertain:
            return

    return having(case, update=update)


def resends_an_update(case: Case) -> Case:
    real: type[Target] = case.adapter

    def update(self: Any, order: Order, reference: str, target_id: str, changes: Changes) -> None:
        try:
            real.update(self, order, reference, target_id, changes)
        except Uncertain:
            real.update(self, order, reference, target_id, changes)

    return having(case, update=update)


def drops_the_rejected_fields(case: Case) -> Case:
    return renaming(case, "update", wrong=Rejected, name=lambda error: Rejected(str(error)))


def quotes_the_rejected_fields(case: Case) -> Case:
    return renaming(case, "update", wrong=Rejected, name=lambda e: Rejected(f"{e} {e.fields}", e.fields))


#: The saboteurs that must fail each check of the bulk suite.
OF_BULK: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_a_batch": (lacks_the_recording_of_a_partial_batch, lacks_the_recording_of_absence),
    "each_order_of_a_batch_gets_its_own_outcome": (
        repeats_the_first_outcome,
        reverses_the_outcomes,
        fails_all_for_one,
        omits_the_last_order,
        quotes_the_message_about_one_order,
    ),
    "an_order_that_may_exist_is_never_reported_absent": (reports_all_absent, reports_absence_for_an_error),
    "every_amount_of_a_batch_arrives_exact": (sends_a_batch_with_floats,),
    "a_batch_whose_answer_is_lost_is_uncertain": (
        reports_an_uncertain_batch_as_not_sent,
        reports_an_uncertain_batch_as_created,
        resends_a_batch,
    ),
    "a_batch_that_could_not_be_sent_is_unavailable": (reports_every_failed_batch_as_uncertain,),
    "slow_down_after_a_batch_closes_the_limit": (ignores_the_limiter,),
    "no_outcome_of_a_batch_holds_a_secret_or_a_person": (reveals_its_key, quotes_the_message_about_one_order),
}
#: The saboteurs that must fail each check of the update suite.
OF_UPDATES: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_an_update": (lacks_the_recording_of_a_cancellation,),
    "a_change_is_sent_as_recorded": (updates_without_the_first_line, updates_nothing, cancels_nothing),
    "a_change_does_not_depend_on_the_targets_id": (requires_the_targets_id,),
    "a_cancellation_needs_nothing_else_of_the_order": (cancels_only_what_it_can_update, cancels_nothing),
    "every_amount_of_a_change_arrives_exact": (updates_with_floats,),
    "a_change_that_may_be_missing_is_not_reported_as_made": (
        reports_an_uncertain_update_as_done,
        resends_an_update,
    ),
    "slow_down_after_a_change_closes_the_limit": (ignores_the_limiter,),
    "a_refused_change_keeps_the_response_text_out_of_the_message": (
        drops_the_rejected_fields,
        quotes_the_rejected_fields,
    ),
    "no_message_of_a_change_holds_a_secret_or_a_person": (reveals_its_key,),
}
