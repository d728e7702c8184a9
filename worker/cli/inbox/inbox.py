"""`intake inbox`: the jobs that failed."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.options import confirm_or_abort, confirmable, json_option, open_runtime
from worker.cli.results import print_counts, print_rows, say
from worker.durations import count_of
from worker.operations.acting import acting, recorded
from worker.operations.bulk import replay_job
from worker.operations.examples import examples
from worker.operations.times import utc_text
from worker.operations.waiting import without_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from worker.runtime import Runtime
    from worker.store.audit import Act
    from worker.store.inbox import Inbox
    from worker.store.letters import Letter

#: Dead letters in memory at once: each may hold a whole job.
_AT_ONCE: Final = 20
#: The columns of a reason, and of a dead letter: heading and field.
_REASON_COLUMNS: Final = {"count": "count", "code": "code", "provider": "provider", "last (UTC)": "last"}
_COLUMNS: Final = {"id": "id", "at (UTC)": "at", "code": "code", "provider": "provider"}
#: What to do about a dead letter, by its code.
ADVICE: Final = {
    "too_large": "Push a smaller job, or raise [inbox] max_bytes and push it again: only its beginning is kept.",
    "not_json": "Fix the producer, then push the job again.",
    "not_a_job": "Fix the producer: intake schema job",
    "signature": "Compare the producer's name and secret with [producers.NAME], then replay.",
    "signature_age": "Compare the clocks of both sides, or raise tolerance of the producer, then replay.",
    "unknown_provider": "Add [providers.NAME] or [producers.NAME], run intake reload, then replay.",
    "unsigned": 'Sign the job (see schemas/job.py), or set [inbox] unsigned = "accept", then replay.',
    "not_allowed": 'Set for = ["PROVIDER"] in the producer, run intake reload, then replay.',
    "no_route": "Add a [[routes]] table with this `from`, run intake reload, then replay.",
    "no_record": "Push `order`: this producer has no API. See: intake schema order",
    "malformed": "Fix the producer, or fix the adapter and replay.",
    "rejected": "Check the reference of the route, then replay.",
    "poison": "Report a bug in Intake: the job repeatedly ended the process that read it.",
    "not_there": "Check whether the provider has the order, then replay.",
}


_CODES: Final = f"Limit to a cause: {', '.join(ADVICE)}."


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
            raise click.ClickException(f"no failed job has the id {listed}. Next: intake inbox list")
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
        raise click.UsageError("select jobs: ids, --code or --provider; or --all")
    return Selection(tuple(dict.fromkeys(ids)), options["code"], options["provider"])


def _filter_options(command: Any) -> Any:
    command = click.option("--provider", metavar="NAME", help="Limit to this provider.")(command)
    return click.option("--code", type=click.Choice(list(ADVICE)), metavar="CODE", help=_CODES)(command)


def _action_options(command: Any) -> Any:
    command = acting(confirmable(json_option(command)))
    command = click.option("--all", "everything", is_flag=True, help="Select all of them.")(_filter_options(command))
    return click.argument("ids", nargs=-1, metavar="[ID]...")(command)


@click.group("inbox", epilog=examples("intake inbox list"))
def command() -> None:
    """List, replay or discard jobs that failed."""


@command.command("list", epilog=examples("intake inbox list --code signature"))
@_filter_options
@click.option("--limit", default=20, show_default=True, help="Number of jobs listed, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON.")
def list_all(*, code: str | None, provider: str | None, limit: int, as_json: bool) -> None:
    """List failed jobs.

    Show the reasons with their counts, and the newest jobs.
    """
    rows = [_row(*item) for item in Selection(code=code, provider=provider).letters(open_runtime(offline=True).inbox)]
    groups, newest = _by_reason(rows), heapq.nlargest(limit, rows, key=lambda row: row["at"])
    if as_json:
        click.echo(json.dumps({"count": len(rows), "reasons": groups, "letters": rows}, indent=2))
        return
    if not rows:
        click.echo("No job has failed.")
        return
    print_rows("Reasons", _REASON_COLUMNS, groups, "reason")
    click.echo()
    print_rows(f"Newest of {len(rows):,}", _COLUMNS, newest, "reason")
    click.echo()
    say("Next: intake inbox show ID, then intake inbox replay ID or intake inbox discard ID")


@command.command("show", epilog=examples("intake inbox show 1f3a"))
@click.argument("letter_id", metavar="ID")
@json_option
def show(letter_id: str, *, as_json: bool) -> None:
    """Show one failed job.

    The output has the reason, the remedy and the whole job, which may hold personal data.
    """
    ((_, letter),) = Selection((letter_id,)).letters(open_runtime(offline=True).inbox)
    fields = _row(letter_id, letter) | {"advice": ADVICE.get(letter.code, "")}
    job = letter.raw.decode("utf-8", "backslashreplace")
    if as_json:
        click.echo(json.dumps(fields | {"job": job}, indent=2))
        return
    for name, value in fields.items():
        say(f"{name}: {value}", "  ")
    click.echo(job)


@command.command("replay", epilog=examples("intake inbox replay --code no_route --dry-run"))
@_action_options
def replay(**options: Any) -> None:
    """Push failed jobs again.

    Use it after the cause is fixed. A job that is kept only in part is not replayed.
    """
    selection, rt = _require_selection(options), open_runtime()
    inbox, replayed, not_whole = rt.inbox, 0, 0
    _confirm("Push", selection, inbox, options)
    with _recorded(rt, options) as act:
        for letter_id, letter in selection.letters(inbox):
            pushed = letter.whole if options["dry_run"] else replay_job(inbox, letter_id, letter)
            replayed, not_whole = replayed + pushed, not_whole + (not pushed)
        act.count(replayed=replayed)
    words = {"not_whole": "cannot be replayed: only a part of the job is kept"}
    print_counts({"replayed": replayed, "not_whole": not_whole}, options, words=words)


@command.command("discard", epilog=examples("intake inbox discard 1f3a"))
@_action_options
def discard(**options: Any) -> None:
    """Discard failed jobs permanently."""
    selection, rt = _require_selection(options), open_runtime()
    inbox = rt.inbox
    _confirm("Discard", selection, inbox, options)
    with _recorded(rt, options) as act:
        ids = [letter_id for letter_id, _ in selection.letters(inbox)]
        discarded = len(ids) if options["dry_run"] else inbox.discard(ids)
        act.count(discarded=discarded)
    print_counts({"discarded": discarded}, options)


def _recorded(rt: Runtime, options: dict[str, Any]) -> AbstractContextManager[Act]:
    chosen = {"code": options["code"], "provider": options["provider"], "all": options["everything"]}
    return recorded(rt, dry_run=options["dry_run"], letters=" ".join(options["ids"]), **chosen)


def _confirm(verb: str, selection: Selection, inbox: Inbox, options: dict[str, Any]) -> None:
    if not options["dry_run"] and not options["yes"]:
        count = sum(1 for _ in selection.letters(inbox))
        confirm_or_abort(f"{verb} {count_of(count, 'failed job')}?", yes=False)
