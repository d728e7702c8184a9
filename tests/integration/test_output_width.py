"""What every command prints fits the terminal, over a ledger with orders in every state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.console_world import DELIVERED, SETTINGS, an_order, fill, fill_days, put
from support.settings_texts import table
from tasks.ingest import ingest
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from support.settings_texts import Configured
    from worker.runtime import Runtime

LONG = "status 503: the service is unavailable because its maintenance takes longer than was announced; try again later"
#: Every command that needs no account, with names of the ledger. What follows in brackets is typed at the question.
COMMANDS = (
    "status",
    "show shop-nl:01",
    "show shop-nl:02",
    "show shop-nl:08",
    "show shop-nl:04",
    "show shop-nl:05",
    "show shop-de:06",
    "show #NL-1007",
    "show #NL-10",
    "show nowhere",
    "show shop-nl",
    "show shop-nl:bad",
    "show shop-nl:left",
    "show shop-nl:hinted",
    "health --ready",
    "health --live",
    "report --out report.html",
    "dead list",
    "dead list --target nobody",
    "dead show shop-nl:02",
    "dead show shop-nl:07",
    "dead replay --all --dry-run",
    "dead replay shop-nl:02 --yes",
    "dead discard --target warehouse [y]",
    "doubt list",
    "doubt ask --dry-run",
    "doubt resolve shop-nl:04 --target warehouse --delivered --dry-run",
    "release warehouse --dry-run",
    "release warehouse shop-nl:99",
    "release warehouse --drop --yes",
    "inbox list",
    "inbox replay --all --yes",
    "inbox discard nothing",
    "cursor show shop-nl",
    "cursor set shop-nl --since 2d --dry-run",
    "cursor set shop-nl --since 2d --yes",
    "cursor undo shop-nl --yes",
    "pause shop-nl --dry-run",
    "pause shop-nl --for 2h --reason stocktaking",
    "resume shop-nl --dry-run",
    "resume shop-nl",
    "poll nobody",
    "backfill shop-nl",
    "backfill shop-nl --since 2026-01-01 --until 2026-02-01",
    "reconcile shop-nl nobody --since 7d",
    "erase shop-nl:02 --dry-run",
    "erase --match Femke --yes",
    "rename shop-nl shop-be",
    "forget shop-nl",
    "push jobs.jsonl --dry-run",
    "check --offline",
    "status",
)


@pytest.fixture
def rich(configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Fill a ledger: orders, records, jobs, hints and limits in every state, with long reasons."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTAKE_CONFIG", "intake.toml")
    (tmp_path / "jobs.jsonl").write_text('{"v": 1, "provider": "nobody", "external_id": "1"}\nno JSON\n')
    settings = SETTINGS.replace("NL-{external_id}", "NL-{provider}-{external_id}") + table("producers.till")
    rt = configured.open(settings + '\n[inbox]\nunsigned = "accept"\n')
    rt.installation.confirm()
    rt.ledger.assume_no_predecessor()
    fields = json.dumps({"shipping_address": {"postcode": ["Femke, the postcode has to fit the country."]}})
    refused = Outcome("bury", "rejected", f"POST /api/v1/orders: {LONG}", extra=fields)
    put(rt, an_order("08"), warehouse=refused, returns=DELIVERED)
    fill(rt)
    fill_days(rt)
    put(rt, an_order("left", status="cancelled"))
    rt.cursors.bury("shop-nl", "bad", {"id": 1, "note": "x" * 200}, "items[0].quantity", LONG)
    rt.fetches.add("shop-nl", ["hinted"])
    rt.cursors.note_failure("shop-de", f"unavailable: {LONG}", 90)
    rt.lanes["returns"].pause("stocktaking until everything is counted", 7200)
    rt.scopes["dropday:warehouse"].close(30.0)
    rt.inbox.push([b"no JSON", b'{"v": 1, "provider": "nobody", "external_id": "1"}'])
    with rt.inbox.taker() as taker:
        result = ingest(rt, taker.take(2).jobs, lambda *_: None)
        taker.finish(result.counts, result.letters)
    return rt


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.usefixtures("rich")
def test_the_output_of_every_command_fits_and_names_every_state(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    wide = []
    for command in COMMANDS:
        words, _, answer = command.partition(" [")
        result = intake(*words.split(), stdin=f"{answer.rstrip(']')}\n")
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
        assert result.output.strip(), command
        lines = result.output.replace(str(tmp_path), "/srv").splitlines()
        wide += [f"{command}: {line}" for line in lines if len(line.rstrip()) > columns]
        printed = " ".join(result.output.split())
        if command == "status":
            assert "FAILS" in printed
            assert "PAUSED" in printed
        if command == "dead list":
            assert "shop-nl:08 #NL-1008 warehouse" in printed
            said = "warehouse responded: shipping_address.postcode: ***, the postcode has to fit the country."
            assert said in printed
            assert "Femke" not in printed
        if command == "show shop-nl:08":
            assert "warehouse responded: shipping_address.postcode: Femke, the postcode has to fit" in printed
    assert wide == []
