"""`intake push`: put jobs into the inbox by hand."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

import click

from schemas.job import VERSION, sign
from worker.cli.inbox.json_files import JsonValue, json_values, to_json
from worker.cli.options import open_runtime, require_name
from worker.cli.results import say
from worker.durations import count_of
from worker.errors import Malformed, StoreFull
from worker.inbox.reading import BadJob, order_in, read_job
from worker.operations.acting import acting, recorded
from worker.operations.examples import examples
from worker.runtime import read_settings
from worker.settings.needs import SIGNATURES
from worker.store.audit import unrecorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from worker.runtime import Runtime
    from worker.settings.load import Settings
    from worker.store.audit import Act
    from worker.store.inbox import Inbox

#: The most jobs, and bytes of them, in one `LPUSH`.
_MOST_JOBS: Final = 500
_MOST_BYTES: Final = 1024 * 1024
#: Bad jobs that are printed one by one.
_PRINTED: Final = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where jobs come from: files of jobs, files of what a job carries (`record`, `order`), or ids."""

    files: Sequence[IO[bytes]] = ()
    provider: str | None = None
    carries: str | None = None
    external_ids: Sequence[str] = ()

    def jobs(self) -> Iterator[JsonValue]:
        """Yield each job with its place."""
        for external_id in self.external_ids:
            yield self._job("external_id", JsonValue(f"--external-id {external_id}", b"", external_id))
        for file in self.files:
            for parsed in json_values(file, getattr(file, "name", "<stdin>")):
                yield parsed if parsed.error or self.carries is None else self._job(self.carries, parsed)

    def _job(self, name: str, parsed: JsonValue) -> JsonValue:
        return JsonValue(parsed.place, to_json({"v": VERSION, "provider": self.provider, name: parsed.value}))


@dataclass
class Pusher:
    """Check jobs, sign them for a producer, and push the good ones into the inbox in batches."""

    settings: Settings
    producer: str | None
    #: None in a dry run.
    inbox: Inbox | None
    good: int = 0
    bad: int = 0
    pushed: int = 0
    _batch: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def add(self, parsed: JsonValue) -> None:
        """Check one job, and push the batch if it is full."""
        if parsed.error:
            self._refuse(parsed.place, parsed.error)
            return
        try:
            raw = parsed.text if self.producer is None else self._signed(parsed.text)
            job = read_job(self.settings, raw, time.time)
            if job.order is not None:
                order_in(job)
        except (BadJob, Malformed) as error:
            self._refuse(parsed.place, str(error))
            return
        self.good += 1
        self._batch.append(raw)
        self._bytes += len(raw)
        if len(self._batch) >= _MOST_JOBS or self._bytes >= _MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Push the rest of the batch."""
        if self._batch and self.inbox is not None:
            self.inbox.push(self._batch)
            self.pushed += len(self._batch)
        self._batch, self._bytes = [], 0

    def _refuse(self, place: str, reason: str) -> None:
        self.bad += 1
        if self.bad <= _PRINTED:
            say(f"{place}: {reason}", "  ", err=True)

    def _signed(self, raw: bytes) -> bytes:
        assert self.producer is not None  # noqa: S101  # for mypy
        # Processes that have not read the changed settings yet know the former secret only.
        secret, *former = self.settings.producers[self.producer].secrets
        signed = sign(self.producer, secret, int(time.time()), raw.decode(), *former)
        return signed.model_dump_json(exclude_none=True).encode()


def _source(options: dict[str, Any]) -> Source:
    """Return the source that the options describe; raise UsageError if they describe none, or several."""
    given = [name for name in ("files", "record", "order", "external_id") if options[name]]
    if len(given) != 1:
        raise click.UsageError("name jobs (FILE, or - for stdin), or one of --record, --order and --external-id")
    provider = options["provider"]
    if given == ["files"]:
        if provider is not None:
            raise click.UsageError("jobs name their provider; --provider needs --record, --order or --external-id")
        return Source(options["files"])
    if provider is None:
        raise click.UsageError(f"--{given[0].replace('_', '-')} needs --provider NAME")
    if given == ["external_id"]:
        return Source(provider=provider, external_ids=options["external_id"])
    return Source([options[given[0]]], provider, given[0])


def _recorded(rt: Runtime | None, source: Source, producer: str | None) -> AbstractContextManager[Act]:
    if rt is None:
        return nullcontext(unrecorded())
    accounts = [source.provider] if source.provider else []
    ids = [f"{source.provider}:{external_id}" for external_id in source.external_ids]
    return recorded(rt, *accounts, orders=ids, producer=producer, carries=source.carries)


@click.command(
    "push", epilog=examples("intake push jobs.jsonl --dry-run", "intake push --provider shop-nl --external-id 1001")
)
@click.argument("files", nargs=-1, type=click.File("rb"), metavar="[FILE]...")
@click.option("--provider", metavar="NAME", help="Provider of the orders, for the next three options.")
@click.option("--record", type=click.File("rb"), help="File of orders as the provider sends them; - for stdin.")
@click.option("--order", type=click.File("rb"), help="File of orders in the format of `intake schema order`.")
@click.option("--external-id", multiple=True, metavar="ID", help="Id of an order to fetch; repeatable.")
@click.option("--producer", metavar="NAME", help="Sign the jobs with the secret of this producer.")
@click.option("--dry-run", is_flag=True, help="Check the jobs and push nothing.")
@acting
def command(*, producer: str | None, dry_run: bool, **options: Any) -> None:
    """Push jobs into the inbox.

    A FILE holds JSON lines, or one JSON value: a job, or a list of jobs (`intake schema job`). Invalid jobs are printed
    and skipped; the exit code is then 1. Pushing a job again changes nothing.
    """
    source = _source(options)
    settings = read_settings(needs=SIGNATURES)
    if producer is not None:
        able = [name for name, known in settings.producers.items() if known.secret]
        require_name(producer, "producer with a secret", able)
    rt = None if dry_run else open_runtime(settings)
    pusher = Pusher(settings, producer, None if rt is None else rt.inbox)
    try:
        with _recorded(rt, source, producer) as act:
            for job in source.jobs():
                pusher.add(job)
            pusher.flush()
            act.count(pushed=pusher.pushed)
    except StoreFull as full:
        raise click.ClickException(
            f"{full}; {count_of(pusher.pushed, 'job')} pushed before. Raise its maxmemory."
        ) from None
    if pusher.bad > _PRINTED:
        click.echo(f"… and {pusher.bad - _PRINTED} more", err=True)
    result = f"{pusher.good} valid, nothing pushed" if dry_run else f"{pusher.pushed} pushed"
    click.echo(result + (f", {pusher.bad} invalid." if pusher.bad else "."))
    if pusher.bad:
        raise SystemExit(1)
