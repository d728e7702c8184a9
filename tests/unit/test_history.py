"""The history checker finds exactly the faults planted in a journal."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from worker.lab.history.command import command
from worker.lab.history.journals import Reading, entries, files
from worker.lab.history.judge import Judgement, judge
from worker.lab.history.routes import Route
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    Entry = dict[str, Any]

ROUTE = Route.read("retailcrm/shop=dropday/main")
#: A route whose target follows its source.
FOLLOWS = Route.read("retailcrm/shop=dropday/main=shop:{id}=updates,cancels")
#: A route that creates every order, whatever its status is.
CREATES = Route.read("retailcrm/shop=dropday/main=shop:{id}=creates-all,cancels")
FIELDS = {"name": "n", "total": "t", "lines": "l1"}


def wrote(did: str, number: int | str, system: str = "retailcrm", **fields: str) -> Entry:
    """Return the entry of a write: under its own id in the source, under the reference in the target."""
    is_target = system != "retailcrm"
    account, key = ("main", f"shop:{number}") if is_target else ("shop", None)
    names = {"external_id": key, "reference": f"T{number}" if is_target else str(number)}
    return {"kind": "effect", "system": system, "account": account, "did": did, **names, "fields": FIELDS | fields}


def into(did: str, number: int | str, system: str = "dropday", **fields: str) -> Entry:
    return wrote(did, number, system, **fields)


def cancelled(entry: Entry, standing: str = "cancelled") -> Entry:
    return entry | {"standing": standing}


def edited(number: int, **fields: str) -> Entry:
    """Return the entry of a person's edit in the target."""
    return into("changed", number, **fields) | {"by": "person"}


def numbered(lines: Iterable[Entry]) -> list[Entry]:
    run = {"kind": "run", "run": "r"}
    return [{"seq": n, "mono": float(n), "run": "r", **line} for n, line in enumerate([run, *lines], 1)]


def judged(*lines: Entry, routes: Sequence[Route] = (ROUTE,)) -> Judgement:
    return judge(numbered(lines), routes)


def faults_of(judgement: Judgement, target: str = "dropday/main") -> dict[str, list[str]]:
    verdict = judgement.targets[target]
    return {fault: getattr(verdict, fault).first for fault in FAULTS if getattr(verdict, fault).count}


CLEAN = [wrote("added", 1), wrote("added", 2), into("created", 2), into("created", 1)]


def test_a_history_without_faults_is_clean() -> None:
    judgement = judged(*CLEAN)
    assert judgement.clean()
    assert faults_of(judgement) == {}
    assert (judgement.targets["dropday/main"].orders, judgement.targets["dropday/main"].created) == (2, 2)


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ([wrote("added", 3)], {"lost": ["shop:3"]}),
        ([into("created", 1)], {"duplicated": ["shop:1"]}),
        ([wrote("added", 3), into("created", 3, total="t2")], {"wrong": ["shop:3 (total)"]}),
        ([wrote("added", 3), into("created", 3, lines="l2", total="t2")], {"wrong": ["shop:3 (lines, total)"]}),
        ([into("changed", 1, lines="l9")], {"wrong": ["shop:1 (lines)"]}),
        ([cancelled(into("changed", 1))], {"wrong": ["shop:1 (standing)"]}),
        ([into("created", 4)], {"unknown": ["shop:4"]}),
        ([into("created", 3), wrote("added", 3)], {"wrong": ["shop:3 (created first)"]}),
        ([cancelled(wrote("added", 3)), into("created", 3)], {"unwanted": ["shop:3"]}),
        ([cancelled(wrote("added", 3), "withheld"), into("created", 3)], {"unwanted": ["shop:3"]}),
        ([wrote("added", 3), cancelled(wrote("changed", 3)), into("created", 3)], {"unwanted": ["shop:3"]}),
        ([wrote("added", 3), wrote("deleted", 3), into("created", 3)], {"unwanted": ["shop:3"]}),
        ([edited(1, name="Ada"), into("changed", 1)], {"overwritten": ["shop:1"]}),
        (
            [edited(1, name="Ada"), wrote("changed", 1, total="t2"), into("changed", 1, total="t2")],
            {"overwritten": ["shop:1"]},
        ),
        (
            [wrote("changed", 1, total="t2"), into("changed", 1, total="t2"), into("changed", 1)],
            {"stale": ["shop:1"]},
        ),
    ],
    ids=[
        *("lost", "duplicated", "total", "lines and total", "wrong change", "cancelled by nobody", "unknown"),
        *("before its source", "never live", "withheld", "cancelled before", "deleted before"),
        *("edit undone", "edit undone by an update", "stale"),
    ],
)
def test_a_planted_fault_is_found_and_nothing_else(planted: list[Entry], named: dict[str, list[str]]) -> None:
    judgement = judged(*CLEAN, *planted)
    assert faults_of(judgement) == named
    assert not judgement.clean()


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ([wrote("changed", 1, total="t2")], {"outdated": ["shop:1"]}),
        ([cancelled(wrote("changed", 1))], {"uncancelled": ["shop:1"]}),
        ([wrote("deleted", 1)], {"uncancelled": ["shop:1"]}),
        ([cancelled(wrote("changed", 1)), into("changed", 1)], {"uncancelled": ["shop:1"]}),
    ],
    ids=["outdated", "not cancelled", "deleted", "written, not cancelled"],
)
def test_what_a_target_does_not_follow_is_found_where_it_can(planted: list[Entry], named: dict[str, list[str]]) -> None:
    assert faults_of(judged(*CLEAN, *planted, routes=[FOLLOWS])) == named
    assert judged(*CLEAN, *planted).clean()


@pytest.mark.parametrize(
    "planted",
    [
        [cancelled(wrote("added", 3))],
        [wrote("added", 3), cancelled(wrote("changed", 3))],
        [wrote("added", 3), wrote("deleted", 3)],
        [cancelled(wrote("added", 3), "withheld"), wrote("changed", 3), into("created", 3)],
        [cancelled(wrote("changed", 1)), cancelled(into("changed", 1))],
        [cancelled(wrote("changed", 1, total="t2")), cancelled(into("changed", 1))],
        [cancelled(wrote("changed", 1), "withheld")],
        [cancelled(edited(1))],
        [edited(1, name="Ada"), wrote("changed", 1, total="t2"), into("changed", 1, total="t2", name="Ada")],
        [edited(1, name="Ada"), wrote("changed", 1, name="Bo"), into("changed", 1, name="Bo")],
    ],
    ids=[
        *("never live", "cancelled first", "deleted first", "live later", "cancelled in both", "cancelled alone"),
        *("withheld later", "cancelled by a person", "edit kept", "edit replaced by the source's change"),
    ],
)
def test_a_target_that_follows_its_source_is_clean(planted: list[Entry]) -> None:
    judgement = judged(*CLEAN, *planted, routes=[FOLLOWS])
    assert faults_of(judgement) == {}
    assert judgement.clean()


def test_an_order_may_be_created_as_long_as_the_notice_of_its_cancellation_takes() -> None:
    late = [*CLEAN, wrote("added", 3), cancelled(wrote("changed", 3)), wrote("added", 4), into("created", 4)]
    lines = numbered([*late, into("created", 3)])
    assert judge(lines, [ROUTE], notice=3.0).clean()
    assert faults_of(judge(lines, [ROUTE], notice=2.9)) == {"unwanted": ["shop:3"]}
    never = numbered([*CLEAN, cancelled(wrote("added", 3)), into("created", 3)])
    assert faults_of(judge(never, [ROUTE], notice=60.0)) == {"unwanted": ["shop:3"]}


def test_a_route_that_creates_every_order_needs_the_cancelled_ones_too() -> None:
    born = [*CLEAN, cancelled(wrote("added", 3))]
    assert faults_of(judged(*born, routes=[CREATES])) == {"lost": ["shop:3"]}
    assert faults_of(judged(*born, into("created", 3), routes=[CREATES])) == {"uncancelled": ["shop:3"]}
    assert judged(*born, cancelled(into("created", 3)), routes=[CREATES]).clean()


def test_an_order_deleted_in_a_system_that_does_not_report_it_stays_in_the_target() -> None:
    route = Route.read("dropday/web=retailcrm/crm=web:{id}=cancels")
    names = {"account": "web", "external_id": "x", "reference": "7"}
    source = [into("added", 7) | names, into("deleted", 7) | names]
    created = wrote("created", 1) | {"account": "crm", "external_id": "web:7"}
    assert judged(source[0], created, source[1], routes=[route]).clean()


def test_an_older_version_that_was_newest_when_it_was_written_is_not_stale() -> None:
    changes = [wrote("changed", 1, total="t2"), into("changed", 1, total="t2"), wrote("changed", 1)]
    judgement = judged(*CLEAN, *changes, into("changed", 1))
    assert judgement.clean()


def test_a_change_that_did_not_arrive_is_reported_and_breaks_no_promise() -> None:
    judgement = judged(*CLEAN, wrote("changed", 1, total="t2"))
    assert judgement.clean()
    assert judgement.targets["dropday/main"].behind.first == ["shop:1"]


def test_an_order_deleted_at_its_source_need_not_arrive() -> None:
    gone = wrote("deleted", 3)
    del gone["fields"]
    assert judged(*CLEAN, wrote("added", 3), gone).clean()


def test_an_excused_order_need_not_arrive() -> None:
    assert judge(numbered([*CLEAN, wrote("added", 3)]), [ROUTE], excused={"shop:3"}).clean()


def test_a_field_that_a_system_lacks_or_another_run_digested_is_not_compared() -> None:
    without = into("created", 3)
    del without["fields"]["total"]
    other = into("created", 4, total="x") | {"run": "another"}
    assert judged(*CLEAN, wrote("added", 3), without, wrote("added", 4), other).clean()


def test_dropdays_total_is_not_compared_because_no_target_can_reach_it() -> None:
    route = Route.read("dropday/web=retailcrm/crm")
    source = into("added", 7) | {"account": "web", "external_id": "x", "reference": "7"}
    for field, named in (("total", {}), ("lines", {"wrong": ["web:7 (lines)"]})):
        target = wrote("created", 1, **{field: "?"}) | {"account": "crm", "external_id": "web:7"}
        assert faults_of(judged(source, target, routes=[route]), "retailcrm/crm") == named


def test_a_change_in_several_steps_is_judged_by_its_result() -> None:
    route = Route.read("retailcrm/shop=ordercloud/main")
    steps = [wrote("added", 1), into("created", "_3A", "ordercloud") | {"external_id": "shop_3A1"}]
    for name, total, lines in (("a", "t2", "l1"), ("b", "t2", "l2")):
        steps.append(into("changed", name, "ordercloud", total=total, lines=lines) | {"external_id": "shop_3A1"})
    changed = wrote("changed", 1, total="t2", lines="l2")
    assert judged(*steps[:2], changed, *steps[2:], routes=[route]).clean()
    half_changed = judged(*steps[:2], changed, *steps[2:3], routes=[route])
    assert faults_of(half_changed, "ordercloud/main") == {"wrong": ["shop:1 (lines)"]}


def test_orders_of_the_opposite_route_do_not_count_as_orders_of_the_source() -> None:
    both = [ROUTE, Route.read("dropday/main=retailcrm/shop")]
    assert judged(*CLEAN, into("changed", 1), routes=both).clean()


# --- limits ---


def call(at: float, address: str = "1") -> Entry:
    return {"kind": "request", "system": "retailcrm", "address": address, "arrived": at}


def limit(calls: int, window: float, at: float = 0.0) -> Entry:
    return {"kind": "limit", "system": "retailcrm", "calls": calls, "window": window, "mono": at}


def over(*lines: Entry) -> list[tuple[str, int, int]]:
    return [(pace.address, pace.calls, pace.over) for pace in judged(*lines).paces]


def test_a_limit_is_kept_for_each_address_in_every_window() -> None:
    times = [0.0, 0.1, 0.95, 1.0, 1.05, 1.1]
    assert over(limit(2, 1.0), *map(call, times)) == [("1", 6, 2)]
    assert over(limit(1, 0.1), call(0.0), call(0.0, "2"), call(0.1), call(0.05, "2")) == [("1", 2, 0), ("2", 2, 1)]


def test_a_limit_counts_from_when_it_was_declared_and_until_the_next() -> None:
    calls = [call(at / 10) for at in range(30)]
    assert over(limit(100, 1.0), limit(1, 1.0, at=1.0), limit(0, 0.0, at=2.0), *calls) == [("1", 30, 10)]
    assert over(*calls) == []


def test_a_share_of_calls_may_exceed_the_limit_if_that_is_allowed() -> None:
    judgement = judged(limit(1, 0.125), *(call(at / 8) for at in range(98)), call(20.0), call(20.05))
    assert not judgement.clean()
    assert judgement.clean(too_soon=0.01)
    assert not judgement.clean(too_soon=0.009)


# --- files ---


def written(folder: Path, lines: Iterable[Entry], name: str = "a") -> Path:
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def read(folder: Path) -> tuple[list[Entry], Reading]:
    reading = Reading()
    return list(entries(files(folder), reading)), reading


def test_a_last_line_that_a_kill_cut_off_is_tolerated_and_reported(tmp_path: Path) -> None:
    file = written(tmp_path, numbered(CLEAN))
    whole = file.read_bytes()
    last = len(whole.splitlines()[-1])
    for cut in (1, 2, last - 1, last):
        file.write_bytes(whole[:-cut])
        lines, reading = read(tmp_path)
        assert len(lines) == len(CLEAN)
        assert (reading.cut, reading.damaged) == (["a.jsonl: line 5"], [])
    file.write_bytes(whole[: -last + 3] + b"\n" + whole)
    lines, reading = read(tmp_path)
    assert (len(lines), reading.cut, reading.damaged) == (9, ["a.jsonl: line 5"], [])


def test_a_line_that_is_missing_or_broken_in_the_middle_is_damage(tmp_path: Path) -> None:
    lines = numbered(CLEAN)
    written(tmp_path, lines[:2] + lines[3:])
    assert read(tmp_path)[1].damaged == ["a.jsonl: line 3: 4 comes after 2"]
    written(tmp_path, lines[1:])
    assert read(tmp_path)[1].damaged == ["a.jsonl: line 1: 2 comes after 0"]
    file = written(tmp_path, lines)
    file.write_text(file.read_text().replace('"seq": 3', '"seq": ', 1))
    assert read(tmp_path)[1].damaged == ["a.jsonl: line 4: 4 comes after 2"]


def run(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(folder), *options], env={"COLUMNS": "120"})
    return result.exit_code, result.output


def test_the_command_reports_faults_by_exit_code_as_text_and_as_json(tmp_path: Path) -> None:
    written(tmp_path, numbered([*CLEAN, into("created", 1)]))
    assert run(tmp_path)[0] == 2  # it is not output what must be where
    code, output = run(tmp_path, "--route", str(ROUTE))
    assert code == 1
    assert "dropday/main: duplicated, created more than once: shop:1" in output
    (tmp_path / "routes").write_text(f"{ROUTE}\n")
    code, output = run(tmp_path, "--json")
    judgement = json.loads(output)
    assert (code, judgement["clean"], judgement["lines"]) == (1, False, 6)
    assert judgement["targets"]["dropday/main"]["duplicated"] == {"count": 1, "first": ["shop:1"]}
    written(tmp_path, numbered(CLEAN))
    code, output = run(tmp_path)
    assert (code, "every order exists once" in output) == (0, True)


def test_no_journals_prove_nothing(tmp_path: Path) -> None:
    code, output = run(tmp_path, "--route", str(ROUTE))
    assert code == 1
    assert "nothing is proven" in output


@pytest.mark.parametrize("text", ["", "a=b", "a/b", "a/b=c/d=x", "a/b/c=d/e", "/b=c/d", "a/b=c/d={id}=follows"])
def test_an_invalid_route_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write SYSTEM/ACCOUNT|must name|not a rule"):
        Route.read(text)


# --- any history ---

PLANS = st.lists(
    st.sampled_from(
        [
            *("clean", "changed", "cancelled", "withdrawn", "edited", "lost", "duplicated", "wrong", "stale"),
            *("outdated", "unwanted", "uncancelled", "overwritten", "unknown"),
        ]
    )
)


def life_of(number: int, plan: str) -> list[Entry]:
    """Return the history of one order with one planted fault."""
    added, created, version = wrote("added", number), into("created", number), {"total": "t2"}
    newer = [wrote("changed", number, **version), into("changed", number, **version)]
    lives: dict[str, list[Entry]] = {
        "clean": [added, created],
        "changed": [added, created, *newer],
        "lost": [added],
        "duplicated": [added, created, into("created", number)],
        "wrong": [added, into("created", number, name="m")],
        "stale": [added, created, *newer, into("changed", number)],
        "unknown": [created],
        "cancelled": [added, created, cancelled(wrote("changed", number)), cancelled(into("changed", number))],
        "withdrawn": [added, cancelled(wrote("changed", number))],
        "edited": [added, created, edited(number, name="p"), newer[0], into("changed", number, name="p", total="t2")],
        "outdated": [added, created, newer[0]],
        "unwanted": [cancelled(added), created, cancelled(into("changed", number))],
        "uncancelled": [added, created, wrote("deleted", number)],
        "overwritten": [added, created, edited(number, name="p"), *newer],
    }
    return lives[plan]


@given(plans=PLANS, data=st.data())
def test_the_faults_of_any_history_are_those_that_were_planted(plans: list[str], data: st.DataObject) -> None:
    lives = [life_of(number, plan) for number, plan in enumerate(plans)]
    order = data.draw(st.permutations([n for n, life in enumerate(lives) for _ in life]))
    rest = [iter(life) for life in lives]
    judgement = judge(numbered(next(rest[n]) for n in order), [FOLLOWS], keep=1000)
    expected = {
        fault: sorted(f"shop:{n}" + " (name)" * (fault == "wrong") for n, plan in enumerate(plans) if plan == fault)
        for fault in FAULTS
        if fault in plans
    }
    assert {fault: sorted(keys) for fault, keys in faults_of(judgement).items()} == expected


@given(gaps=st.lists(st.integers(0, 12)), calls=st.integers(1, 4))
def test_calls_exceed_a_limit_exactly_if_a_window_would_hold_more(gaps: list[int], calls: int) -> None:
    times = list(itertools.accumulate(gaps))
    accepted: list[int] = []
    for at in times:
        if sum(at - other < 10 for other in accepted) < calls:
            accepted.append(at)
    paces = judged(limit(calls, 10.0), *(call(float(at)) for at in times)).paces
    assert len(paces) <= 1
    assert sum(pace.calls - pace.over for pace in paces) == len(accepted)
