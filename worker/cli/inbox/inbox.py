"""`intake inbox`: the jobs that could not be taken in."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from worker.cli.options import confirm_or_abort, confirmable, json_option, open_runtime
from worker.cli.results import print_counts, table_of, without_numbers
from worker.operations.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from worker.store.inbox import Inbox, Letter

#: Dead letters in memory at once: each may hold a whole job.
_AT_ONCE: Final = 20
#: The columns of a reason, and of a dead letter: heading and field.
_REASON_COLUMNS: Final = {
    "count": "count",
    "code": "code",
    "provider": "provider",
    "reason": "reason",
    "last (UTC)": "last",
}
_COLUMNS: Final = {"id": "id", "at (UTC)": "at", "code": "code", "provider": "provider", "reason": "reason"}
#: What to do about a dead letter, by its code.
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
class Selection:
    """Which dead letters a command acts on: all, or those with certain ids, a code, a provider."""

    ids: Sequence[str] = ()
    code: str | None = None
    provider: str | None = None

    def letters(self, inbox: Inbox) -> Iterator[tuple[str, Letter]]:
        """Yield the selected dead letters with their ids; raise ClickException for an unknown id."""
        known = inbox.letter_ids()
        if unknown := set(self.ids).difference(known):
            listed = ", ".join(sorted(unknown))
            raise click.ClickException(f"no dead letter has the id {listed}. See: intake inbox list")
        ids = self.ids or known
        for start in range(0, len(ids), _AT_ONCE):
            for letter_id, letter in inbox.letters(ids[start : start + _AT_ONCE]).items():
                if self.code in (None, letter.code) and self.provider in (None, letter.provider):
                    yield letter_id, letter


def _row(letter_id: str, letter: Letter) -> dict[str, Any]:
    """Return what may be shown of a dead letter: not the job itself, which holds personal data."""
    return {
        "id": letter_id,
        "at": utc_text(letter.at),
        "code": letter.code,
        "provider": letter.provider,
        "reason": letter.reason,
        "bytes": letter.size,
        "whole": letter.whole,
    }


def _by_reason(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the reasons with their counts, the most frequent first."""
    groups: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        groups[row["code"], row["provider"], without_numbers(row["reason"])].append(row["at"])
    return [
        {"count": len(times), "code": code, "provider": provider, "reason": reason, "last": max(times)}
        for (code, provider, reason), times in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0][2]))
    ]


def _require_selection(options: dict[str, Any]) -> Selection:
    """Return what a command acts on; raise UsageError if it selects nothing in particular."""
    ids, everything = options["ids"], options["everything"]
    if bool(ids) == (everything or any(options[name] is not None for name in ("code", "provider"))):
        raise click.UsageError("name letters by their ids, or else --all, --code or --provider")
    return Selection(tuple(dict.fromkeys(ids)), options["code"], options["provider"])


def _filter_options(command: Any) -> Any:
    command = click.option("--provider", metavar="NAME", help="Only those of this provider.")(command)
    return click.option("--code", type=click.Choice(list(ADVICE)), help="Only those with this cause.")(command)


def _action_options(command: Any) -> Any:
    command = confirmable(json_option(command))
    command = click.option("--all", "everything", is_flag=True, help="All of them.")(_filter_options(command))
    return click.argument("ids", nargs=-1, metavar="[ID]...")(command)


@click.group("inbox")
def command() -> None:
    """Look at the jobs that could not be taken in; push them again, or discard them."""


@command.command("list")
@_filter_options
@click.option("--limit", default=20, show_default=True, help="Letters shown one by one, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print all of them as JSON.")
def list_all(*, code: str | None, provider: str | None, limit: int, as_json: bool) -> None:
    """Show the dead letters: the reasons with their counts, and the newest letters."""
    rows = [_row(*item) for item in Selection(code=code, provider=provider).letters(open_runtime(offline=True).inbox)]
    groups, newest = _by_reason(rows), heapq.nlargest(limit, rows, key=lambda row: row["at"])
    if as_json:
        click.echo(json.dumps({"count": len(rows), "reasons": groups, "letters": rows}, indent=2))
        return
    if not rows:
        click.echo("No dead letters.")
        return
    reasons = table_of("Reasons", _REASON_COLUMNS, groups)
    Console().print(reasons, table_of("Newest letters", _COLUMNS, newest))
    click.echo("See one: intake inbox show ID; push again: intake inbox replay ID; forget: intake inbox discard ID")


@command.command("show")
@click.argument("letter_id", metavar="ID")
@json_option
def show(letter_id: str, *, as_json: bool) -> None:
    """Show a dead letter: why, what to do, and the whole job, which may hold personal data."""
    ((_, letter),) = Selection((letter_id,)).letters(open_runtime(offline=True).inbox)
    fields = _row(letter_id, letter) | {"advice": ADVICE.get(letter.code, "")}
    job = letter.raw.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps(fields | {"job": job}, indent=2))
        return
    for name, value in fields.items():
        click.echo(f"{name}: {value}")
    click.echo(job)


@command.command("replay")
@_action_options
def replay(**options: Any) -> None:
    """Push the jobs of dead letters again, after the cause is fixed; a job that is not kept whole stays."""
    selection, inbox = _require_selection(options), open_runtime().inbox
    replayed = not_whole = 0
    _confirm("Push", selection, inbox, options)
    for letter_id, letter in selection.letters(inbox):
        if not letter.whole:
            not_whole += 1
            continue
        if not options["dry_run"]:
            inbox.replay(letter, letter_id)
        replayed += 1
    words = {"not_whole": "stay: only a part of each is kept"}
    print_counts({"replayed": replayed, "not_whole": not_whole}, options, words=words)


@command.command("discard")
@_action_options
def discard(**options: Any) -> None:
    """Discard dead letters for good."""
    selection, inbox = _require_selection(options), open_runtime().inbox
    _confirm("Forget", selection, inbox, options)
    ids = [letter_id for letter_id, _ in selection.letters(inbox)]
    print_counts({"discarded": len(ids) if options["dry_run"] else inbox.discard(ids)}, options)


def _confirm(verb: str, selection: Selection, inbox: Inbox, options: dict[str, Any]) -> None:
    if not options["dry_run"] and not options["yes"]:
        count = sum(1 for _ in selection.letters(inbox))
        confirm_or_abort(f"{verb} {count} dead letters?", yes=False)
