"""`intake push`: put jobs into the inbox by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

import click

from schemas.job import VERSION, Signed, signature
from worker.cli.inbox.json_files import Document, documents, written
from worker.errors import Malformed, StoreFull
from worker.inbox.reading import BadJob, order_in, read_job
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.settings.load import Settings
    from worker.store.inbox import Inbox

#: Jobs, and bytes of them, in one `LPUSH`.
_MOST: Final = 500
_MOST_BYTES: Final = 1024 * 1024
#: Bad jobs that are told one by one.
_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where jobs come from: files of jobs, or of what a job carries (`record`, `order`), or ids."""

    files: Sequence[IO[bytes]] = ()
    provider: str | None = None
    carries: str | None = None
    external_ids: Sequence[str] = ()

    def jobs(self) -> Iterator[Document]:
        """Each job with where it stands."""
        for external_id in self.external_ids:
            yield self._job("external_id", Document(f"--external-id {external_id}", b"", external_id))
        for file in self.files:
            for one in documents(file, getattr(file, "name", "<stdin>")):
                yield one if one.error or self.carries is None else self._job(self.carries, one)

    def _job(self, name: str, one: Document) -> Document:
        return Document(one.place, written({"v": VERSION, "provider": self.provider, name: one.value}))


@dataclass
class Pushing:
    """Checks jobs, signs them if a producer does, and puts the good ones into the inbox, many at once."""

    settings: Settings
    producer: str | None
    #: None: it is only a rehearsal.
    inbox: Inbox | None
    good: int = 0
    bad: int = 0
    pushed: int = 0
    _batch: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def add(self, one: Document) -> None:
        """Take one job."""
        if one.error:
            self._refuse(one.place, one.error)
            return
        try:
            raw = one.text if self.producer is None else self._signed(one.text)
            job = read_job(self.settings, raw, time.time)
            if job.order is not None:
                order_in(job)
        except (BadJob, Malformed) as error:
            self._refuse(one.place, str(error))
            return
        self.good += 1
        self._batch.append(raw)
        self._bytes += len(raw)
        if len(self._batch) >= _MOST or self._bytes >= _MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Push what is left."""
        if self._batch and self.inbox is not None:
            self.inbox.push(self._batch)
            self.pushed += len(self._batch)
        self._batch, self._bytes = [], 0

    def _refuse(self, place: str, reason: str) -> None:
        self.bad += 1
        if self.bad <= _TOLD:
            click.echo(f"{place}: {reason}", err=True)

    def _signed(self, raw: bytes) -> bytes:
        assert self.producer is not None  # noqa: S101  # for mypy
        secret = self.settings.producers[self.producer].secret
        assert secret is not None  # noqa: S101  # for mypy
        at, job = int(time.time()), raw.decode()
        one = Signed(
            v=VERSION, producer=self.producer, at=at, job=job, signature=signature(secret.get_secret_value(), at, job)
        )
        return one.model_dump_json().encode()


def _source(options: dict[str, Any]) -> Source:
    """What the options ask for; raises UsageError."""
    given = [name for name in ("files", "record", "order", "external_id") if options[name]]
    if len(given) != 1:
        raise click.UsageError("give jobs (FILE, or - for stdin), or one of --record, --order and --external-id")
    provider = options["provider"]
    if given == ["files"]:
        if provider is not None:
            raise click.UsageError("jobs name their provider; --provider goes with --record, --order or --external-id")
        return Source(options["files"])
    if provider is None:
        raise click.UsageError(f"--{given[0].replace('_', '-')} needs --provider NAME")
    if given == ["external_id"]:
        return Source(provider=provider, external_ids=options["external_id"])
    return Source([options[given[0]]], provider, given[0])


def _check_producer(settings: Settings, name: str | None) -> None:
    able = [known for known, producer in settings.producers.items() if producer.secret]
    if name is not None and name not in able:
        raise click.ClickException(
            f"no producer {name} with a secret is known here; known: {', '.join(able) or 'none'}"
        )


@click.command("push")
@click.argument("files", nargs=-1, type=click.File("rb"), metavar="[FILE]...")
@click.option("--provider", metavar="NAME", help="Whose orders they are, for the three options that follow.")
@click.option("--record", type=click.File("rb"), help="A file of orders as the provider sends them; - is stdin.")
@click.option("--order", type=click.File("rb"), help="A file of orders in our own words (`intake schema order`).")
@click.option("--external-id", multiple=True, metavar="ID", help="The id of an order to fetch; may be repeated.")
@click.option("--producer", metavar="NAME", help="Sign the jobs with the secret of this producer.")
@click.option("--dry-run", is_flag=True, help="Check the jobs, and push nothing.")
def command(*, producer: str | None, dry_run: bool, **options: Any) -> None:
    """Push jobs onto the inbox: from FILEs, each JSON lines or one JSON document (a job, or a list of jobs).

    Each job is checked as the inbox will check it (`intake schema job`); what a record says is read later. Bad jobs are
    told and left out; pushing again what was pushed changes nothing. Exit code 1 if a job was bad.
    """
    source = _source(options)
    settings = read_settings()
    _check_producer(settings, producer)
    pushing = Pushing(settings, producer, None if dry_run else Runtime(settings).inbox)
    try:
        for one in source.jobs():
            pushing.add(one)
        pushing.flush()
    except StoreFull as full:
        raise click.ClickException(f"{full}; {pushing.pushed} jobs were pushed before. Raise its maxmemory.") from None
    finally:
        if pushing.inbox is not None:
            pushing.inbox.redis.close()
    if pushing.bad > _TOLD:
        click.echo(f"… and {pushing.bad - _TOLD} more", err=True)
    said = f"{pushing.good} are right, nothing was pushed" if dry_run else f"{pushing.pushed} pushed"
    click.echo(said + (f", {pushing.bad} refused." if pushing.bad else "."))
    if pushing.bad:
        raise SystemExit(1)
