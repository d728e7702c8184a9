"""Ingest: turn the jobs that producers pushed into orders in the ledger."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tasks.accept import accept
from tasks.job import job_of, order_of
from worker.errors import RetryableError, SnoozeError
from worker.inbox.reading import BadJob
from worker.store.letters import Letter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.order import Order
    from worker.app import Nudge
    from worker.runtime import Runtime

#: Bytes to keep of a job that exceeds the size limit.
_KEPT: Final = 4096


@dataclass
class Result:
    """The outcome of a batch of jobs."""

    counts: Counter[str] = field(default_factory=Counter)
    letters: list[Letter] = field(default_factory=list)
    #: Jobs to try again later, because reading them needs a call to the provider that failed.
    later: list[bytes] = field(default_factory=list)


def ingest(rt: Runtime, jobs: Sequence[bytes], nudge: Nudge) -> Result:
    """Write the orders of `jobs` into the ledger, and queue their hints to be fetched. Repeating this is safe.

    Raise only errors of the ledger. Nothing is lost by them: the caller ingests the jobs again.
    """
    result = Result()
    result.counts["jobs"] = len(jobs)
    orders: dict[str, list[tuple[Order, bytes]]] = defaultdict(list)
    hints: dict[str, list[str]] = defaultdict(list)
    for raw in jobs:
        try:
            job = job_of(rt, raw)
            if job.external_id is not None:
                hints[job.provider].append(job.external_id)
            else:
                orders[job.provider].append((order_of(rt, job), raw))
        except BadJob as bad:
            result.letters.append(_letter(rt, raw, bad))
        except (RetryableError, SnoozeError):
            result.later.append(raw)
    for provider, pushed in orders.items():
        counts, rejected = accept(rt, [order for order, _ in pushed], f"push {provider}", nudge)
        result.counts += counts
        by_order = {id(order): raw for order, raw in pushed}
        for order, error in rejected:
            result.letters.append(_letter(rt, by_order[id(order)], BadJob(error.code, str(error), provider)))
    for provider, external_ids in hints.items():
        rt.fetches.add(provider, external_ids)
        result.counts["hints"] += len(external_ids)
        nudge("fetch", provider)
    result.counts["bad"] += len(result.letters)
    if result.later:
        result.counts["later"] = len(result.later)
    return result


def _letter(rt: Runtime, raw: bytes, bad: BadJob) -> Letter:
    if len(raw) <= rt.settings.inbox.max_bytes:
        return Letter(bad.code, bad.reason, raw, len(raw), bad.provider)
    digest = hashlib.sha256(raw).hexdigest()
    return Letter(bad.code, bad.reason, raw[:_KEPT], len(raw), bad.provider, sha256=digest)
