"""Targets that each break one promise, derived from any target; each must fail its conformance check."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from contract.sabotage import accepts_any_key, has_another_kind, having, ignores_the_limiter, renaming
from worker.errors import IntakeError, Rejected, Unavailable, Uncertain
from worker.systems.target import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.order import Order
    from worker.lab.conformance.stage import Case
    from worker.systems.target import Pending, Target


def _sending(case: Case, change: Callable[[Order, str], tuple[Order, str]]) -> Case:
    real: type[Target] = case.adapter
    return having(case, create=lambda self, order, reference: real.create(self, *change(order, reference)))


def lacks_the_recording_of_a_missing_order(case: Case) -> Case:
    return replace(case, scenes={name: scene for name, scene in case.scenes.items() if name != "missing"})


def omits_the_first_line(case: Case) -> Case:
    return _sending(case, lambda order, reference: (order.model_copy(update={"lines": order.lines[1:]}), reference))


def invents_an_id(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        real.create(self, order, reference)
        return Receipt("made up")

    return having(case, create=create)


def sends_floats(case: Case) -> Case:
    def rounded(order: Order, reference: str) -> tuple[Order, str]:
        lines = [line.model_copy(update={"unit_price": Decimal(repr(float(line.unit_price)))}) for line in order.lines]
        grand = None if order.totals.grand is None else Decimal(repr(float(order.totals.grand)))
        totals = order.totals.model_copy(update={"grand": grand})
        return order.model_copy(update={"lines": tuple(lines), "totals": totals}), reference

    return _sending(case, rounded)


def sends_the_orders_own_id(case: Case) -> Case:
    return _sending(case, lambda order, reference: (order, order.source_id or order.external_id))


def hides_that_the_order_existed(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        made = real.create(self, order, reference)
        return replace(made, existed=False) if isinstance(made, Receipt) else made

    return having(case, create=create)


def rejects_a_pending_order(case: Case) -> Case:
    return renaming(case, "resume", wrong=Unavailable, name=lambda error: Rejected(str(error)))


def resends_instead_of_resuming(case: Case) -> Case:
    return having(case, resume=lambda self, order, reference, step: self.create(order, reference))


def finds_everything(case: Case) -> Case:
    return having(case, find=lambda self, reference: Receipt("98", existed=True))


def finds_nothing(case: Case) -> Case:
    return having(case, find=lambda self, reference: None)


def reports_absence_for_a_failed_search(case: Case) -> Case:
    real: type[Target] = case.adapter

    def find(self: Any, reference: str) -> Receipt | None:
        try:
            return real.find(self, reference)
        except Unavailable:
            return None

    return having(case, find=find)


def reports_an_uncertain_create_as_not_sent(case: Case) -> Case:
    return renaming(case, "create", wrong=Uncertain, name=lambda error: Unavailable(str(error)))


def denies_every_doubt(case: Case) -> Case:
    return renaming(case, "create", wrong=IntakeError, name=_sure)


def _sure(error: Any) -> IntakeError:
    sure: IntakeError = error
    error.uncertain = False
    return sure


def retries_an_uncertain_create(case: Case) -> Case:
    real: type[Target] = case.adapter

    def create(self: Any, order: Order, reference: str) -> Receipt | Pending:
        try:
            return real.create(self, order, reference)
        except Uncertain:
            return real.create(self, order, reference)

    return having(case, create=create)


def reports_every_failure_as_uncertain(case: Case) -> Case:
    return renaming(case, "create", wrong=Unavailable, name=lambda error: Uncertain(str(error)))


def drops_the_rejected_fields(case: Case) -> Case:
    return renaming(case, "create", wrong=Rejected, name=lambda error: Rejected(str(error)))


def quotes_the_rejected_fields(case: Case) -> Case:
    return renaming(
        case, "create", wrong=Rejected, name=lambda error: Rejected(f"{error} {error.fields}", error.fields)
    )


def reveals_its_key(case: Case) -> Case:
    secrets = " ".join(case.secrets())
    return renaming(case, "create", "find", wrong=IntakeError, name=lambda error: type(error)(f"{error} {secrets}"))


def reveals_its_key_in_the_context(case: Case) -> Case:
    """Reveal the key in the context of the error, where a tool that prints full tracebacks shows it."""
    real: type[Target] = case.adapter
    secrets = " ".join(case.secrets())

    def find(self: Any, reference: str) -> Receipt | None:
        try:
            int(secrets)
        except ValueError:
            return real.find(self, reference)
        raise AssertionError("a secret is not a number")

    return having(case, find=find)


#: The saboteurs that must fail each check.
SABOTEURS: Final[dict[str, tuple[Callable[[Case], Case], ...]]] = {
    "the_recordings_cover_every_case": (lacks_the_recording_of_a_missing_order,),
    "it_sends_the_recorded_body_and_returns_the_outcome": (omits_the_first_line, invents_an_id),
    "every_amount_arrives_exact": (sends_floats,),
    "it_carries_the_reference_and_not_an_id_of_the_order": (sends_the_orders_own_id,),
    "an_existing_order_is_a_success_and_reported_as_existing": (hides_that_the_order_existed, invents_an_id),
    "a_pending_order_is_resumed_until_it_is_decided": (rejects_a_pending_order, resends_instead_of_resuming),
    "find_returns_the_order_of_exactly_this_reference_or_none": (finds_everything, finds_nothing),
    "check_needs_the_credentials": (accepts_any_key,),
    "every_failure_of_a_read_is_raised_as_the_right_error": (reports_absence_for_a_failed_search,),
    "a_create_that_may_have_happened_is_uncertain": (
        reports_an_uncertain_create_as_not_sent,
        denies_every_doubt,
        retries_an_uncertain_create,
    ),
    "a_create_that_could_not_be_sent_is_unavailable": (reports_every_failure_as_uncertain,),
    "slow_down_closes_the_limit_for_the_time_in_the_response": (ignores_the_limiter,),
    "a_rejection_keeps_the_response_text_out_of_the_message": (drops_the_rejected_fields, quotes_the_rejected_fields),
    "no_message_holds_a_secret_or_a_person": (reveals_its_key, reveals_its_key_in_the_context),
    "its_kind_is_the_name_of_its_module_or_package": (has_another_kind,),
}

#: The targets to which a check does not apply.
EXEMPT: Final[dict[str, Callable[[Case], bool]]] = {
    "an_existing_order_is_a_success_and_reported_as_existing": lambda case: not case.adapter.dedupes,
    "a_pending_order_is_resumed_until_it_is_decided": lambda case: "pending" not in case.scenes["created"],
}
