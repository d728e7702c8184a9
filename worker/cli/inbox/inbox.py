"""`intake inbox`: the jobs that could not be taken in."""

from __future__ import annotations

import heapq
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.store.inbox import Inbox, Letter

#: Letters in memory at once: each may hold a whole job.
_AT_ONCE: Final = 20
#: What to do, by code; then the job can be replayed.
ADVICE: Final = {
    "too_large": "push it smaller, or raise [inbox] max_bytes and push it again; only its beginning is kept",
    "not_json": "mend the producer and push it again",
    "not_a_job": "mend the producer: see `intake schema job`",
    "signature": "compare the producer's name and secret with [producers.NAME], then replay",
    "signature_age": "look at the clocks of both sides, or raise [inbox] tolerance, then replay",
    "unknown_provider": "add [providers.NAME] or [producers.NAME], restart `intake listen`, then replay",
    "unsigned": 'sign it (see schemas/job.py), or write [inbox] unsigned = "accept", then replay',
    "not_allowed": 'write for = ["PROVIDER"] under the producer, restart `intake listen`, then replay',
    "no_route": "add a [[routes]] table that is `from` it, restart `intake listen`, then replay",
    "no_record": "a producer without an API pushes `order`: see `intake schema order`",
    "malformed": "mend the producer, or the adapter and replay",
    "rejected": "look at the reference of the route, then replay",
    "poison": "it ended the process that read it, several times: report it as a fault of Intake",
    "not_there": "see whether the provider has it, then replay",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant: all, or those of some ids, a code, a provider."""

    ids: Sequence[str] = ()
    code: str | None = None
    provider: str | None = None

    def of(self, inbox: Inbox) -> Iterator[tuple[str, Letter]]:
        """These letters by id; raises ClickException for an id that no letter has."""
        there = inbox.letter_ids()
        if unknown := set(self.ids).difference(there):
            listed = ", ".join(sorted(unknown))
            raise click.ClickException(f"no dead letter has the id {listed}. See: intake inbox list")
        ids = self.ids or there
        for start in range(0, len(ids), _AT_ONCE):
            for letter_id, letter in inbox.letters(ids[start : start + _AT_ONCE]).items():
                if self.code in (None, letter.code) and self.provider in (None, letter.provider):
                    yield letter_id, letter


def _time(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _facts(letter_id: str, letter: Letter) -> dict[str, Any]:
    """What may be said of a letter without showing the job: that holds personal data."""
    return {
        "id": letter_id,
        "at": _time(letter.at),
        "code": letter.code,
        "provider": letter.provider,
        "reason": letter.reason,
        "bytes": letter.size,
        "whole": letter.whole,
    }


def _grouped(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reasons with their counts, most frequent first; numbers in a reason make no reason of its own."""
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in facts:
        reason = re.sub(r"\d+", "N", one["reason"])
        found = groups.setdefault(
            (one["code"], one["provider"], reason),
            {"count": 0, "code": one["code"], "provider": one["provider"], "reason": reason, "last": ""},
        )
        found["count"] += 1
        found["last"] = max(found["last"], one["at"])
    return sorted(groups.values(), key=lambda group: (-group["count"], group["reason"]))


@contextmanager
def _opened() -> Iterator[Inbox]:
    inbox = Runtime(read_settings()).inbox
    try:
        yield inbox
    finally:
        inbox.redis.close()


def _wanted(options: dict[str, Any]) -> Wanted:
    """What a command is to act on; raises UsageError if nothing is named."""
    ids, everything = options["ids"], options["everything"]
    if bool(ids) == (everything or any(options[name] is not None for name in ("code", "provider"))):
        raise click.UsageError("name letters by their ids, or else --all, --code or --provider")
    return Wanted(tuple(dict.fromkeys(ids)), options["code"], options["provider"])


def _filters(command: Any) -> Any:
    command = click.option("--provider", metavar="NAME", help="Only those of this provider.")(command)
    return click.option("--code", type=click.Choice(list(ADVICE)), help="Only those with this cause.")(command)


def _choice(command: Any) -> Any:
    command = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")(command)
    command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    command = click.option("--dry-run", is_flag=True, help="Say how many, and touch nothing.")(command)
    command = click.option("--all", "everything", is_flag=True, help="All of them.")(_filters(command))
    return click.argument("ids", nargs=-1, metavar="[ID]...")(command)


@click.group("inbox")
def command() -> None:
    """Look at the pushed jobs that could not be taken in; push them again, or forget them."""


@command.command("list")
@_filters
@click.option("--limit", default=20, show_default=True, help="Letters shown one by one, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print all of them as JSON.")
def show_all(*, code: str | None, provider: str | None, limit: int, as_json: bool) -> None:
    """Show the dead letters: the reasons with their counts, and the newest letters."""
    with _opened() as inbox:
        facts = [_facts(*one) for one in Wanted(code=code, provider=provider).of(inbox)]
    groups, newest = _grouped(facts), heapq.nlargest(limit, facts, key=lambda one: one["at"])
    if as_json:
        click.echo(json.dumps({"count": len(facts), "reasons": groups, "letters": facts}, indent=2))
        return
    if not facts:
        click.echo("No dead letters.")
        return
    reasons = Table("count", "code", "provider", "reason", "last (UTC)", title="Reasons", title_justify="left")
    for group in groups:
        reasons.add_row(*(str(group[name]) for name in ("count", "code", "provider", "reason", "last")))
    letters = Table("id", "at (UTC)", "code", "provider", "reason", title="Newest letters", title_justify="left")
    for one in newest:
        letters.add_row(*(str(one[name]) for name in ("id", "at", "code", "provider", "reason")))
    Console().print(reasons, letters)
    click.echo("See one: intake inbox show ID; push again: intake inbox replay ID; forget: intake inbox discard ID")


@command.command("show")
@click.argument("letter_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(letter_id: str, *, as_json: bool) -> None:
    """Show a dead letter whole: why, what to do, and the job itself, which may hold personal data."""
    with _opened() as inbox:
        ((_, letter),) = Wanted((letter_id,)).of(inbox)
    told = _facts(letter_id, letter) | {"advice": ADVICE.get(letter.code, "")}
    job = letter.raw.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps(told | {"job": job}, indent=2))
        return
    for name, value in told.items():
        click.echo(f"{name}: {value}")
    click.echo(job)


@command.command("replay")
@_choice
def replay(**options: Any) -> None:
    """Push the jobs of dead letters again, once what was wrong is mended; one of which only a part is kept stays."""
    wanted = _wanted(options)
    done = kept = 0
    with _opened() as inbox:
        _ask("Push", wanted, inbox, options)
        for letter_id, letter in wanted.of(inbox):
            if not letter.whole:
                kept += 1
                continue
            if not options["dry_run"]:
                inbox.replay(letter, letter_id)
            done += 1
    _tell({"replayed": done, "not_whole": kept}, options)


@command.command("discard")
@_choice
def discard(**options: Any) -> None:
    """Forget dead letters, for good."""
    wanted = _wanted(options)
    with _opened() as inbox:
        _ask("Forget", wanted, inbox, options)
        ids = [letter_id for letter_id, _ in wanted.of(inbox)]
        count = len(ids) if options["dry_run"] else inbox.discard(ids)
    _tell({"discarded": count}, options)


def _ask(what: str, wanted: Wanted, inbox: Inbox, options: dict[str, Any]) -> None:
    if not options["dry_run"] and not options["yes"]:
        count = sum(1 for _ in wanted.of(inbox))
        click.confirm(f"{what} {count} dead letters?", abort=True, err=True)


def _tell(did: dict[str, int], options: dict[str, Any]) -> None:
    if options["as_json"]:
        click.echo(json.dumps(did | {"dry_run": options["dry_run"]}))
        return
    name, count = next(iter(did.items()))
    would = "would be " if options["dry_run"] else ""
    kept = f" {did['not_whole']} stay: only a part of each is kept." if did.get("not_whole") else ""
    click.echo(f"{count} {would}{name}.{kept}")
