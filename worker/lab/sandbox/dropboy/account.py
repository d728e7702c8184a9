"""One account of Dropboy: its transport jobs, and the files that they were uploaded in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn
from urllib.parse import unquote

from worker.lab.sandbox import spec
from worker.lab.sandbox.dropboy import shape
from worker.lab.sandbox.dropboy.checks import Checker
from worker.lab.sandbox.dropboy.job import Batch, Job
from worker.lab.sandbox.dropboy.webhooks import Webhooks
from worker.lab.sandbox.system import Account
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal

_BASE: Final = {
    "origin": {"address": "Dock Rd 1", "zipCode": "8000", "city": "Aarhus"},
    "destination": {"address": "High St 9", "zipCode": "2100", "city": "Copenhagen"},
}


class DropboyAccount(Account):
    """One account of Dropboy.

    Options: `key`, `processing` (seconds that a file takes), `list_lag` (seconds from the end of a file until lists
    show its jobs), `batch_life` (seconds until its status is forgotten), `default_take`, `max_take`, `webhook`
    (percent-encoded URLs, separated by commas), `webhook_copies`, `webhook_lag` (seconds).

    Options for what the documents leave open, the default first:

    - `key_status`: the status for a call without a valid key (403, 401, 200)
    - `permission`: `full`, or `read`: uploads are refused with the other one of 401 and 403
    - `errors`: the field `errors` where there is no error (null, empty, absent)
    - `info`: the take and skip in a list: as `asked`, as `effective`, or absent
    - `order`: of a list: newest first, oldest first, `shuffled` within each page, or `random` in each call
    - `rows`: of a list: the fields as uploaded, nested in `order`, bare, id
    - `dates`: the name of a job's date (created, createdAt, absent)
    - `over_max`: `cut` or `refuse` a take above the maximum
    - `ids`: their digits (24, 32)
    - `created_ids`: `ordered` as their rows, or shuffled
    - `bad_file`: reported by the `status` of the batch, or `refuse`d at once
    - `unknown_batch`: the status of the response (400, 404, 200)
    - `required`: the fields of the `schema` (origin and destination), or `annotated` (orderNumber and orderType too)
    - `unknown_fields`: refuse, ignore
    - `repeated`: a number that was uploaded before `creates` a second job, or is `refused` as an error of its row
    """

    system: ClassVar[str] = "dropboy"

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        super().__init__(name, options, journal)
        self.key = options.pop("key", "sandbox-key")
        self._processing = float(options.pop("processing", "0.2"))
        self._list_lag = float(options.pop("list_lag", "0"))
        self._batch_life = float(options.pop("batch_life", "inf"))
        self.max_take = int(options.pop("max_take", "200"))
        self.default_take = min(int(options.pop("default_take", "50")), self.max_take)
        urls = [unquote(url) for url in options.pop("webhook", "").split(",") if url]
        self._webhooks = Webhooks(urls, int(options.pop("webhook_copies", "1")), float(options.pop("webhook_lag", "0")))
        self._take_choices(options)
        self._rng = random.Random(name)
        self._orders: dict[str, Job] = {}
        self._batches: dict[str, Batch] = {}
        self._last = 0

    def _take_choices(self, options: dict[str, str]) -> None:
        self.key_status = int(spec.choice(options, "key_status", "403", "401", "200"))
        self.permission = spec.choice(options, "permission", "full", "read")
        no_errors: dict[str, dict[str, Any]] = {"null": {"errors": None}, "empty": {"errors": []}, "absent": {}}
        self.no_errors = no_errors[spec.choice(options, "errors", *no_errors)]
        self.info = spec.choice(options, "info", "asked", "effective", "absent")
        self._order = spec.choice(options, "order", "newest", "oldest", "shuffled", "random")
        self._rows = spec.choice(options, "rows", "uploaded", "nested", "bare", "id")
        self._dates = spec.choice(options, "dates", "created", "createdAt", "absent")
        self.over_max = spec.choice(options, "over_max", "cut", "refuse")
        self._digits = int(spec.choice(options, "ids", "24", "32"))
        self._created_ids = spec.choice(options, "created_ids", "ordered", "shuffled")
        self.bad_file = spec.choice(options, "bad_file", "status", "refuse")
        self.unknown_batch = int(spec.choice(options, "unknown_batch", "400", "404", "200"))
        required: tuple[str, ...] = ("origin", "destination")
        if spec.choice(options, "required", "schema", "annotated") == "annotated":
            required = ("orderNumber", "orderType", *required)
        self._repeated = spec.choice(options, "repeated", "creates", "refused")
        self._checker = Checker(required, spec.choice(options, "unknown_fields", "refuse", "ignore"))

    # --- files ---

    def upload(self, content: bytes) -> Batch:
        """Take a file; its rows are processed one by one, spread over the time of processing."""
        rows, unusable = _read_file(content)
        batch = Batch(self._new_id(), rows, unusable)
        self._batches[batch.id] = batch
        if self._processing:
            pause = self._processing / max(1, len(rows))
            asyncio.get_running_loop().call_later(pause, self._step, batch, pause)
        while not self._processing and batch.status == "processing":
            self._step(batch, 0.0)
        return batch

    def batch(self, batch_id: str) -> Batch | None:
        """Return a file by its id, unless it is forgotten."""
        batch = self._batches.get(batch_id)
        return None if batch is None or batch.ended + self._batch_life < time.monotonic() else batch

    def batch_status(self, batch: Batch) -> dict[str, Any]:
        """Return the status of a file as the API shows it; `progress` is in percent."""
        processing = batch.status == "processing"
        ids = list(batch.created_ids)
        if self._created_ids == "shuffled":
            self._rng.shuffle(ids)
        return {
            "status": batch.status,
            "progress": 100 * batch.processed // max(1, len(batch.rows)) if processing else 100,
            "done": len(ids),
            "failed": batch.failed,
            "createdOrderIds": ids,
            **({"errors": batch.errors} if batch.errors else self.no_errors),
        }

    def _step(self, batch: Batch, pause: float) -> None:
        """Process the next row of a file, and schedule the one after it."""
        if batch.unusable is not None:
            batch.status, batch.errors = "failed", [{"path": [""], "message": batch.unusable}]
            batch.ended = time.monotonic()
            return
        self._process_row(batch, batch.processed, batch.rows[batch.processed])
        batch.processed += 1
        if batch.processed == len(batch.rows):
            batch.status, batch.ended = "completed", time.monotonic()
        elif pause:
            asyncio.get_running_loop().call_later(pause, self._step, batch, pause)

    def _process_row(self, batch: Batch, index: int, row: Any) -> None:
        errors = self._checker.errors(row)
        number = None if errors else row["order"].get("orderNumber")
        taken = (job.number for job in self._orders.values())
        if self._repeated == "refused" and number is not None and number in taken:
            errors = [(["", "orderNumber"], "should be unique")]
        if errors:
            batch.failed += 1
            batch.errors += [{"index": index, "path": path, "message": message} for path, message in errors]
            return
        job = self._keep(row["order"], "created", time.time(), "created", batch)
        batch.created_ids.append(job.id)
        self._webhooks.created(job)

    # --- jobs ---

    def page(self, take: int, skip: int) -> list[dict[str, Any]]:
        """Return a page of the list."""
        ended_by = time.monotonic() - self._list_lag
        jobs = [job for job in self._orders.values() if job.batch is None or job.batch.ended <= ended_by]
        if self._order == "newest":
            jobs.reverse()
        elif self._order == "random":
            self._rng.shuffle(jobs)
        page = jobs[skip : skip + take]
        if self._order == "shuffled":
            self._rng.shuffle(page)
        return [shape.row(job, self._rows, self._dates) for job in page]

    def find(self, job_id: str) -> Job | None:
        """Return a job by its id or its Wuxus number."""
        return self._orders.get(job_id) or next((j for j in self._orders.values() if j.wuxus_number == job_id), None)

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add a job that another client of the account uploaded; jobs from the past send no webhook."""
        created = time.time() if at is None else at
        job = self._keep(shape.from_draft(draft), shape.STATES[draft.status], created, "added", None)
        if at is None:
            self._webhooks.created(job)
        return job.id

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add a job of these fields, valid or not, over those that every job has."""
        job = self._keep({**_BASE, **order}, "created", time.time(), "added", None)
        self._webhooks.created(job)
        return job.id

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set uploaded fields or the `status`; or delete the job with `deleted`."""
        job = self._orders.get(order_id)
        if job is None:
            return False
        did = "deleted" if fields.pop("deleted", False) else "changed"
        if did == "deleted":
            del self._orders[order_id]
        job.status = fields.pop("status", job.status)
        job.order = {**job.order, **fields}
        self._note_job(did, job, by_person=True)
        return True

    def stored(self) -> Iterable[bytes]:
        """Yield all jobs, those of unfinished files included."""
        for job in self._orders.values():
            yield dump({**shape.row(job, "uploaded", "created"), "batchFileId": job.batch.id if job.batch else None})

    def _keep(self, order: dict[str, Any], status: str, created: float, did: str, batch: Batch | None) -> Job:
        self._last += 1
        number = f"HAU-{self._last % 1000:03d}-{45_000_000 + self._last}"
        job = Job(self._new_id(created), number, order, status, created, batch)
        self._orders[job.id] = job
        self._note_job(did, job)
        return job

    def _note_job(self, did: str, job: Job, *, by_person: bool = False) -> None:
        self._note(did, job.number, job.id, lambda: {**job.order, "status": job.status}, by_person=by_person)

    def _new_id(self, moment: float | None = None) -> str:
        """Make an id as MongoDB does: the second, five bytes for the machine, a counter."""
        second = int(time.time() if moment is None else moment)
        text = f"{second:08x}{self._rng.getrandbits(40):010x}{self._rng.getrandbits(24):06x}"
        return text if self._digits == len(text) else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _read_file(content: bytes) -> tuple[list[Any], str | None]:
    """Return the rows of a file and why it is unusable, if it is; NaN and Infinity are not JSON."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        file = json.loads(content.decode(), parse_constant=refuse)
    except ValueError:
        return [], "should be valid JSON"
    if not isinstance(file, dict):
        return [], "should be object"
    if not isinstance(file.get("version"), str):
        return [], "should have required property 'version'"
    rows = file.get("data")
    if not isinstance(rows, list):
        return [], "should have required property 'data'"
    return rows, None if rows else "should NOT have fewer than 1 items"
