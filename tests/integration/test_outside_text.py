"""Text that outsiders control (ids, jobs, records, reasons of a target) is shown as it is, wherever it is read."""

from __future__ import annotations

import contextlib
import io
import random
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import structlog

from support.command_line import intake
from support.drawn import draw_seed
from support.orders import order
from support.settings_texts import Configured, dropday, retailcrm, route
from worker.cli import main
from worker.cli.display import Display
from worker.cli.feeds.reconcile import render
from worker.reconcile.report import Finding, Report
from worker.store.feeds.left_out import LeftOutOrder
from worker.store.letters import Letter
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.telemetry import log
from worker.telemetry.printable import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from worker.runtime import Runtime

#: What a terminal obeys, what Rich, HTML and a spreadsheet read as more than text, and what begins a line of our own.
PARTS: Final = (
    "[/x]", "[/]", "[bold]", "[red]Clean[/red]", "[link=https://evil.example]", "\\[", "[", "]", ":boom:", "\\",
    "\x1b[2J", "\x1b[31m", "\x1b]0;owned\x07", "\x9b31m", "\x07", "\x08", "\r", "\x00", "\x7f", "\x85", "\u2028",
    "\u202e", "\u2066", "\u200b", "\ud83d", "\n", "\nok       redis: fine", "\t", "</td><script>alert(1)</script>",
    "&lt;", "'", '"', "=1+1", "@x", "{0}", "%s", "é", "€", "😀", "a", " ",
)  # fmt: skip

COMMANDS: Final = (
    "status", "health --ready", "check --offline", "cursor show shop", "poll shop", "resume shop --dry-run",
)  # fmt: skip
UNKNOWN: Final = (
    ("show", "shop:1?"), ("show", "nowhere\x1b[2J\nok"), ("dead", "show", "x\x07[/x]"), ("inbox", "show", "[/x]\x9b"),
)  # fmt: skip


def draw(count: int) -> list[str]:
    seed = draw_seed()
    print("seed", seed)
    chance = random.Random(seed)
    drawn = ["".join(chance.choices(PARTS, k=chance.randint(1, 4))) for _ in range(count)]
    return [f"{number}:{text}" for number, text in enumerate(drawn)]


def assert_harmless(output: str, texts: Sequence[str] = ()) -> None:
    """Check that the output has no character that a terminal obeys or hides, and each text as one line of it."""
    assert printable(output) == output
    for text in texts:
        assert one_line(text).rstrip() in output  # a cell ends with its last character that can be seen


@pytest.fixture
def rt(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    # No cell is cut or wrapped.
    monkeypatch.setenv("COLUMNS", "4000")
    return configured.open(
        retailcrm("providers.shop") + dropday("targets.dropday") + route("shop", "dropday", reference="{external_id}")
    )


def stored(text: str) -> str:
    """Return the text as Redis can keep it."""
    return text.encode("utf-8", "replace").decode()


def fill(rt: Runtime, texts: Sequence[str], run: int = 0) -> list[str]:
    """Give the ledger orders, records and jobs with these texts wherever it takes them; return the ids of the jobs."""
    jobs = []
    for number, text in enumerate(map(stored, texts)):
        # An id has no control characters of ASCII.
        key = str(run) + re.sub("[\x00-\x1f\x7f]", "", text).strip()
        rt.ledger.accept("dropday", [Delivery(order(key), key)], "poll shop")
        outcomes = [Outcome("bury", "rejected", text), Outcome("hold", "held", text), Outcome("doubt", "", text)]
        with rt.lanes["dropday"].drain() as drain:
            drain.settle([(claim, outcomes[number % 3]) for claim in drain.claim(1)])
        rt.cursors.bury("shop", f"{key}?", {"id": text}, text, text)
        rt.left_outs.note("shop", [LeftOutOrder(f"{key}!", "dropday", f"only.custom.x={text}", None, text)])
        jobs.append(Letter("not_a_job", text, text.encode(), len(text.encode()), text))
    rt.inbox.push(["any"])
    with rt.inbox.taker() as taker:
        taker.take(1)
        taker.finish({}, jobs)
    rt.cursors.pause("shop", stored(texts[0]))
    return [job.id for job in jobs]


def show_everything(rt: Runtime, texts: Sequence[str], jobs: Sequence[str], page: Path, *, each: int) -> None:
    shown = list(map(stored, texts))
    most = str(10 * len(texts))
    assert_harmless(intake("dead", "list", "--limit", most).output, shown[::3])
    assert_harmless(intake("release", "dropday", "--dry-run").output, shown[1::3])
    assert_harmless(intake("doubt", "list", "--limit", most).output, shown[2::3])
    assert_harmless(intake("inbox", "list", "--limit", most).output, shown)
    assert_harmless(intake("show", "shop").output, shown)
    for words in COMMANDS:
        assert_harmless(intake(*words.split()).output)
    for number in range(each):
        result = intake("inbox", "show", jobs[number])
        assert_harmless(result.output, [f"reason: {shown[number]}"])
    for key in rt.lanes["dropday"].held_keys()[:each]:
        (entry,) = rt.ledger.entries(["dropday"], key)
        assert_harmless(intake("show", key).output, [entry.record["detail"]])
    for unknown in UNKNOWN:
        result = intake(*unknown)
        assert_harmless(result.output)
        assert result.exception is None or isinstance(result.exception, SystemExit)
    assert intake("report", "--out", str(page)).exit_code == 0
    written = page.read_text("utf-8")
    assert_harmless(written)
    assert "<script" not in written


def test_every_command_prints_what_outsiders_wrote_as_it_is(rt: Runtime, tmp_path: Path) -> None:
    texts = draw(60)
    show_everything(rt, texts, fill(rt, texts), tmp_path / "report.html", each=3)


@pytest.mark.repeat
@pytest.mark.timeout(900)
def test_ten_thousand_texts_are_printed_as_they_are(rt: Runtime, tmp_path: Path) -> None:
    """Repeat `test_every_command_prints_what_outsiders_wrote_as_it_is`, which `make test` runs with fewer texts."""
    texts = draw(10_000)
    for run in range(20):
        part = texts[run::20]
        rt.redis.flushdb()
        show_everything(rt, part, fill(rt, part, run), tmp_path / "report.html", each=20)


def test_a_comparison_prints_the_texts_of_both_sides_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    now = datetime.now(UTC)
    texts = draw(300)
    report = Report("shop", "dropday", now, now, "listed", most=1000)
    for text in texts:
        report.add(Finding("different", text, f"shop:{text}", (text,), (text,), text, text, {text: (text, text)}))
    for values in (False, True):
        for part in render(report, values=values):
            Display().print(part)
        output = capsys.readouterr().out
        assert_harmless(output, texts)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_shows_values_as_they_are(form: str) -> None:
    stream = io.StringIO()
    texts = draw(300)
    log.configure("info", form, stream)
    try:
        for text in texts:
            structlog.get_logger("worker.outside").info("job.refused", reason=text, external_id=text)
    finally:
        log.configure()
    output = stream.getvalue()
    assert_harmless(output)
    assert len(output.splitlines()) == len(texts)


def test_a_terminal_obeys_our_styles_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("INTAKE_CONFIG", "/nonexistent\x1b[31m\r/intake.toml")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with contextlib.suppress(SystemExit):
        main(["check"])
    output = terminal.getvalue()
    assert "\x1b[31merror" in output
    assert "nonexistent\\u001b[31m\\u000d/intake" in output
