"""`intake inbox` and the inbox in `intake status`: their output and their effects."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.settings_texts import Configured, dropday, route
from tasks.ingest import ingest
from worker.cli.inbox import inbox as inbox_command
from worker.store.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.runtime import Runtime
    from worker.store.letters import Letter

UNKNOWN = json.dumps({"v": 1, "provider": "web", "external_id": "1"})


def take(rt: Runtime, *jobs: str | bytes) -> None:
    """Push the jobs and process all waiting jobs."""
    if jobs:
        rt.inbox.push(jobs)
    with rt.inbox.taker() as taker:
        result = ingest(rt, taker.take(1000).jobs, lambda *_: None)
        taker.finish(result.counts, result.letters)


@pytest.fixture
def rt(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setenv("COLUMNS", "160")
    return configured.open(
        dropday("providers.shop", "http://127.0.0.1:8") + dropday("targets.dropday") + route("shop", "dropday")
    )


@pytest.fixture
def dead(rt: Runtime) -> Runtime:
    large = [json.dumps({"v": 1, "provider": "shop", "record": {"a": "x" * size}}) for size in (1_100_000, 1_200_000)]
    take(rt, "oops", "oops too", UNKNOWN, *large)
    return rt


def listed(*args: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(intake("inbox", "list", "--json", *args).output)
    return result


def test_reasons_are_grouped_with_their_counts(dead: Runtime) -> None:
    result = listed()
    assert result["count"] == 5
    assert [(group["count"], group["code"]) for group in result["reasons"]] == [
        (2, "too_large"),
        (2, "not_json"),
        (1, "unknown_provider"),
    ]
    output = " ".join(intake("inbox", "list").output.split())
    for part in ("it is not JSON", "N bytes; a job has at most N", "web", "intake inbox replay ID"):
        assert part in output
    assert re.search(r"\b11\d{5} bytes; a job has at most 1048576", output)


def test_dead_letters_are_selected_by_code_and_by_provider(dead: Runtime) -> None:
    assert listed("--code", "not_json")["count"] == 2
    assert listed("--provider", "web")["count"] == 1
    assert listed("--provider", "web", "--code", "not_json")["count"] == 0
    assert "is not one of" in intake("inbox", "list", "--code", "bad").output


def test_inbox_list_hides_jobs_and_inbox_show_prints_them(dead: Runtime) -> None:
    assert "oops" not in intake("inbox", "list").output + intake("inbox", "list", "--json").output
    letter = listed("--code", "unknown_provider")["letters"][0]
    output = intake("inbox", "show", letter["id"]).output
    assert UNKNOWN in output
    assert "Add [providers.NAME] or [producers.NAME]" in output
    assert json.loads(intake("inbox", "show", letter["id"], "--json").output)["job"] == UNKNOWN


def test_each_code_of_a_dead_letter_has_a_remedy() -> None:
    root = Path(inbox_command.__file__).parents[3]
    files = (root / "worker/inbox/reading.py", root / "tasks/job.py", root / "tasks/listen.py", root / "tasks/fetch.py")
    codes = {code for file in files for code in re.findall(r'(?:BadJob|Letter)\("(\w+)"', file.read_text())}
    assert len(codes) > 8
    assert codes | {"malformed", "rejected"} == set(inbox_command.ADVICE)


def test_a_dry_run_of_replay_and_discard_touches_nothing(dead: Runtime) -> None:
    assert intake("inbox", "replay", "--all", "--dry-run").output == (
        "3 would be replayed. 2 cannot be replayed: only a part of the job is kept.\n"
    )
    assert intake("inbox", "discard", "--all", "--dry-run").output == "5 would be discarded.\n"
    assert json.loads(intake("inbox", "discard", "--all", "--dry-run", "--json").output) == {
        "discarded": 5,
        "dry_run": True,
    }
    assert listed()["count"] == 5
    assert dead.inbox.status()["waiting"] == 0


def test_inbox_replay_pushes_only_the_selected_jobs(dead: Runtime) -> None:
    first = listed("--code", "unknown_provider")["letters"][0]["id"]
    assert intake("inbox", "replay", first, "--yes").output == "1 replayed.\n"
    assert dead.redis.lrange("intake:inbox", 0, -1) == [UNKNOWN]
    assert json.loads(intake("inbox", "replay", "--code", "not_json", "--yes", "--json").output) == {
        "replayed": 2,
        "not_whole": 0,
        "dry_run": False,
    }
    assert (
        "0 replayed. 2 cannot be replayed: only a part of the job is kept."
        in intake("inbox", "replay", "--all", "--yes").output
    )
    assert listed()["count"] == 2
    take(dead)
    assert listed()["count"] == 5


def test_inbox_replay_and_discard_ask_for_confirmation(dead: Runtime) -> None:
    letter_id = listed()["letters"][0]["id"]
    for args in (["replay", "--all"], ["replay", letter_id], ["discard", "--all"], ["discard", letter_id]):
        declined = intake("inbox", *args, stdin="n\n")
        assert declined.exit_code == 1
        assert "failed job" in declined.output
    assert listed()["count"] == 5
    assert "1 discarded." in intake("inbox", "discard", letter_id, stdin="y\n").output
    assert "4 discarded." in intake("inbox", "discard", "--all", "--yes").output
    assert intake("inbox", "list").output == "No job has failed.\n"


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_an_unknown_dead_letter_stops_the_whole_command(dead: Runtime, command: str) -> None:
    letter_id = listed("--code", "not_json")["letters"][0]["id"]
    result = intake("inbox", command, letter_id, "0123", "--yes")
    assert result.exit_code == 1
    assert "no failed job has the id 0123. Next: intake inbox list" in result.output
    assert listed()["count"] == 5
    assert "no failed job has the id 0123" in intake("inbox", "show", "0123").output


@pytest.mark.parametrize("args", [[], ["--all", "0123"], ["--code", "not_json", "0123"]])
def test_inbox_replay_and_discard_require_a_selection(dead: Runtime, args: list[str]) -> None:
    for command in ("replay", "discard"):
        result = intake("inbox", command, "--yes", *args)
        assert result.exit_code == 2
        assert "select jobs: ids, --code or --provider; or --all" in result.output


def test_large_dead_letters_are_read_in_parts(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    take(rt, *(f"oops {n}" for n in range(100)))
    sizes: list[int] = []
    letters = rt.inbox.letters

    def record_size(_: Inbox, ids: Sequence[str] = ()) -> dict[str, Letter]:
        sizes.append(len(ids))
        return letters(ids)

    monkeypatch.setattr(Inbox, "letters", record_size)
    assert listed()["count"] == 100
    assert max(sizes) == 20
    assert 0 not in sizes


def status() -> dict[str, Any]:
    result: dict[str, Any] = json.loads(intake("status", "--json").output)
    return result


def test_status_shows_the_inbox_and_the_command_to_run(dead: Runtime) -> None:
    dead.inbox.push([UNKNOWN])
    dead.fetches.add("shop", ["1", "2"])
    result = status()
    assert result["inbox"] == {
        "waiting": 1,
        "taken": 0,
        "takers": 0,
        "dead_now": 5,
        "jobs": 5,
        "bad": 5,
    }
    assert result["providers"]["shop"]["hints"] == 2
    output = " ".join(intake("status").output.split())
    assert (
        "inbox: no process accepts the jobs that producers push; 1 waiting → Start the listen process: intake listen"
        in output
    )
    assert "inbox: 5 jobs failed → intake inbox list" in output


def test_status_counts_live_takers_and_their_jobs(rt: Runtime) -> None:
    rt.inbox.push([UNKNOWN, UNKNOWN, UNKNOWN])
    with rt.inbox.taker() as taker:
        taker.take(2)
        inbox = status()["inbox"]
        assert (inbox["waiting"], inbox["taken"], inbox["takers"]) == (1, 2, 1)
        assert "no process accepts the jobs" not in intake("status").output
        rt.redis.zadd("intake:inbox:takers", {taker.name: 0})
        assert status()["inbox"]["takers"] == 0
        assert "no process accepts the jobs" in " ".join(intake("status").output.split())
        rt.redis.delete("intake:inbox:takers")
