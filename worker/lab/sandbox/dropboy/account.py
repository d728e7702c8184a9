"""One account of Dropboy: its transport jobs, and the files they came in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import unquote

from worker.lab.sandbox import essence, spec
from worker.lab.sandbox.dropboy import shape
from worker.lab.sandbox.dropboy.checks import Checker
from worker.lab.sandbox.dropboy.job import Batch, Job
from worker.lab.sandbox.dropboy.webhooks import Webhooks
from worker.lab.sandbox.system import Account, dump

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.lab.sandbox.journal import Journal
    from worker.lab.sandbox.orders import Draft

_BASE: Final = {
    "origin": {"address": "Dock Rd 1", "zipCode": "8000", "city": "Aarhus"},
    "destination": {"address": "High St 9", "zipCode": "2100", "city": "Copenhagen"},
}


class DropboyAccount(Account):
    """Options: `key`, `processing` (seconds a file takes), `list_lag` (seconds until its jobs are in lists after it is
    through), `batch_life` (seconds until its status is forgotten), `default_take`, `max_take`, `webhook`
    (percent-encoded URLs, separated by commas), `webhook_copies`, `webhook_lag` (seconds).

    Readings of what no document settles: `key_status` (of a call without a valid key: 403, 401, 200) and
    `permission` (`read`: an upload is refused with the other one of 401 and 403), `errors` (what there is if there is
    no error: null, empty, absent), `info` (`asked`, `effective`: the take and skip that were kept to, or absent),
    `order` (of a list: newest, oldest, `shuffled` within each page, or `random`: anew for each call), `rows`
    (uploaded, bare, id), `dates` (the name of a job's date: created, createdAt, absent), `over_max` (`cut` or
    `refuse` a take above the maximum), `ids` (24 or 32 digits), `created_ids` (`ordered` as their rows, or
    shuffled), `bad_file` (`status`: told by the status of the batch; `refuse`d at once), `unknown_batch` (the status
    of the answer: 400, 404, 200), `required` (`schema`: origin and destination; `annotated`: orderNumber and orderType
    too), `unknown_fields` (refuse, ignore), `repeated` (`creates` a second job; `refused` as a mistake of its row).
    """  # noqa: D205  # the list of options begins at once

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        self.name, self._journal = name, journal
        self.prefix = options.pop("prefix", f"{name.upper()}-")
        self.key = options.pop("key", "sandbox-key")
        self._processing = float(options.pop("processing", "0.2"))
        self._list_lag = float(options.pop("list_lag", "0"))
        self._batch_life = float(options.pop("batch_life", "inf"))
        self.max_take = int(options.pop("max_take", "200"))
        self.default_take = min(int(options.pop("default_take", "50")), self.max_take)
        urls = [unquote(url) for url in options.pop("webhook", "").split(",") if url]
        self._webhooks = Webhooks(urls, int(options.pop("webhook_copies", "1")), float(options.pop("webhook_lag", "0")))
        self._take_readings(options)
        self._chance = random.Random(name)
        self._jobs: dict[str, Job] = {}
        self._batches: dict[str, Batch] = {}
        self._last = 0

    def _take_readings(self, options: dict[str, str]) -> None:
        self.key_status = int(spec.choice(options, "key_status", "403", "401", "200"))
        self.permission = spec.choice(options, "permission", "full", "read")
        readings: dict[str, dict[str, Any]] = {"null": {"errors": None}, "empty": {"errors": []}, "absent": {}}
        self.no_errors = readings[spec.choice(options, "errors", *readings)]
        self.info = spec.choice(options, "info", "asked", "effective", "absent")
        self._order = spec.choice(options, "order", "newest", "oldest", "shuffled", "random")
        self._rows = spec.choice(options, "rows", "uploaded", "bare", "id")
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
        """Take a file; its rows are worked through one by one, spread over the time of processing."""
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
        """A file by its id, unless it is forgotten."""
        found = self._batches.get(batch_id)
        return None if found is None or found.ended + self._batch_life < time.monotonic() else found

    def batch_shown(self, batch: Batch) -> dict[str, Any]:
        """The status of a file; `progress` in percent."""
        processing = batch.status == "processing"
        ids = list(batch.created_ids)
        if self._created_ids == "shuffled":
            self._chance.shuffle(ids)
        return {
            "status": batch.status,
            "progress": 100 * batch.seen // max(1, len(batch.rows)) if processing else 100,
            "done": len(ids),
            "failed": batch.failed,
            "createdOrderIds": ids,
            **({"errors": batch.errors} if batch.errors else self.no_errors),
        }

    def _step(self, batch: Batch, pause: float) -> None:
        if batch.unusable is not None:
            batch.status, batch.errors = "failed", [{"path": [""], "message": batch.unusable}]
            batch.ended = time.monotonic()
            return
        self._row(batch, batch.seen, batch.rows[batch.seen])
        batch.seen += 1
        if batch.seen == len(batch.rows):
            batch.status, batch.ended = "completed", time.monotonic()
        elif pause:
            asyncio.get_running_loop().call_later(pause, self._step, batch, pause)

    def _row(self, batch: Batch, index: int, row: Any) -> None:
        mistakes = self._checker.mistakes(row)
        number = None if mistakes else row["order"].get("orderNumber")
        if self._repeated == "refused" and number is not None and self._numbered(number):
            mistakes = [(["", "orderNumber"], "should be unique")]
        if mistakes:
            batch.failed += 1
            batch.errors += [{"index": index, "path": path, "message": said} for path, said in mistakes]
            return
        job = self._keep(row["order"], "created", time.time(), "created", batch)
        batch.created_ids.append(job.id)
        self._webhooks.created(job)

    def _numbered(self, number: str) -> bool:
        return any(job.number == number for job in self._jobs.values())

    # --- jobs ---

    def page(self, take: int, skip: int) -> list[dict[str, Any]]:
        """A page of the list."""
        ended_by = time.monotonic() - self._list_lag
        jobs = [job for job in self._jobs.values() if job.batch is None or job.batch.ended <= ended_by]
        if self._order == "newest":
            jobs.reverse()
        elif self._order == "random":
            self._chance.shuffle(jobs)
        page = jobs[skip : skip + take]
        if self._order == "shuffled":
            self._chance.shuffle(page)
        return [shape.row(job, self._rows, self._dates) for job in page]

    def find(self, job_id: str) -> Job | None:
        """One job by its id or its Wuxus number."""
        return self._jobs.get(job_id) or next((j for j in self._jobs.values() if j.wuxus_number == job_id), None)

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add a job that another client of the account uploaded; of those from the past no webhook tells."""
        created = time.time() if at is None else at
        job = self._keep(shape.from_draft(draft), shape.STATES[draft.status], created, "added", None)
        if at is None:
            self._webhooks.created(job)
        return job.id

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add a job of the given fields, right or wrong, over those that every job has."""
        job = self._keep({**_BASE, **order}, "created", time.time(), "added", None)
        self._webhooks.created(job)
        return job.id

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set uploaded fields or the `status`; or `deleted`."""
        job = self._jobs.get(order_id)
        if job is None:
            return False
        did = "deleted" if fields.pop("deleted", False) else "changed"
        if did == "deleted":
            del self._jobs[order_id]
        job.status = fields.pop("status", job.status)
        job.order = {**job.order, **fields}
        self._journal.effect("dropboy", self.name, did, job.number, job.id, lambda: essence.dropboy(job.order))
        return True

    def stored(self) -> Iterable[bytes]:
        """All jobs, also of files that are not yet through."""
        for job in self._jobs.values():
            yield dump({**shape.row(job, "uploaded", "created"), "batchFileId": job.batch.id if job.batch else None})

    def count(self) -> int:
        """How many jobs there are, doubles included."""
        return len(self._jobs)

    def _keep(self, order: dict[str, Any], status: str, created: float, did: str, batch: Batch | None) -> Job:
        self._last += 1
        number = f"HAU-{self._last % 1000:03d}-{45_000_000 + self._last}"
        job = Job(self._new_id(created), number, order, status, created, batch)
        self._jobs[job.id] = job
        self._journal.effect("dropboy", self.name, did, job.number, job.id, lambda: essence.dropboy(job.order))
        return job

    def _new_id(self, moment: float | None = None) -> str:
        """As MongoDB makes them: the second, five bytes of the machine, a counter."""
        second = int(time.time() if moment is None else moment)
        text = f"{second:08x}{self._chance.getrandbits(40):010x}{self._chance.getrandbits(24):06x}"
        return text if self._digits == len(text) else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _read_file(content: bytes) -> tuple[list[Any], str | None]:
    """The rows of a file, and why it is unusable; JSON as strict parsers read it."""

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
