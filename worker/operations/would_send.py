"""What would be sent to a target for one order: the very request, its secrets masked; the body is personal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.changes import Changes
from schemas.order import Order
from worker.errors import Held, IntakeError, PermanentError
from worker.http.task_time import time_for_calls
from worker.operations.requests import Previews

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.operations.requests import RequestPreview
    from worker.runtime import Runtime

#: Seconds to wait for the limit of a target that has to be read before, and in which its reads begin.
_PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class WouldSend:
    """The request that would be sent first; or why none would be."""

    request: RequestPreview | None = None
    #: Why the adapter does not send the order, as it is now.
    refusal: str = ""
    #: What the request does not show.
    note: str = ""


def would_send(rt: Runtime, target: str, order: Order, record: Mapping[str, str]) -> WouldSend:
    """Return the request that would be sent first for an order. Nothing is written, and no credentials are needed.

    What a target has to be read for is read where its credentials are there; else its first read is all that is known.

    Args:
        rt: The runtime.
        target: The target.
        order: The order as it would be sent.
        record: Its record in the ledger.
    """
    adapter, reference = rt.targets[target], record.get("reference", "")
    previews = Previews([rt.settings.targets[target].options])

    def write() -> object:
        if "done" not in record:
            return adapter.create(order, reference)
        sent_fields = bytes.fromhex(rt.ledger.standing(target, order.key).sent_fields)
        return adapter.change(order, reference, record.get("target_id", ""), Changes.between(sent_fields, order))

    def read_and_write() -> RequestPreview | None:
        with time_for_calls(_PATIENCE):
            return next(iter(previews.stopped_writes(target, write, patience=_PATIENCE)), None)

    shown = _shown(target, lambda: previews.first_request(target, write))
    if shown.request is None or shown.request.method != "GET":
        return shown
    if any(key.startswith(f"targets.{target}.") for key in rt.settings.unset):
        read = WouldSend(note=f"the credentials of {target} are not set here, so it cannot be read")
    else:
        read = _shown(target, read_and_write)
    if read.request or read.refusal:
        return read
    return WouldSend(
        shown.request, note=f"{target} is read first, because its content decides what is written; {read.note}"
    )


def _shown(target: str, preview: Callable[[], RequestPreview | None]) -> WouldSend:
    try:
        request = preview()
    except (Held, PermanentError) as error:
        return WouldSend(refusal=str(error))
    except IntakeError as error:
        return WouldSend(note=str(error))
    except Exception as error:  # noqa: BLE001  # a bug of an adapter must not hide the page
        return WouldSend(note=f"the adapter of {target} cannot show it: {type(error).__name__}")
    return WouldSend(request, note="" if request else f"nothing differs from what {target} has")


def would_send_now(rt: Runtime, target: str, key: str, record: Mapping[str, str]) -> WouldSend | None:
    """Return the same for an order as the ledger keeps it; None if its content is no longer kept."""
    text = rt.stuck[target].sent_payload(key) if target in rt.stuck else None
    return None if text is None else would_send(rt, target, Order.model_validate_json(text), record)
