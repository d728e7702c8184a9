"""The rules of Prometheus and the panels of Grafana use only exported metrics, and every panel has a remedy."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from support.programs import require_program
from support.source_texts import alarms
from worker.cli import COMMANDS
from worker.watch.metrics import RedisCollector

if TYPE_CHECKING:
    from support.pipeline import MakePipeline

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
#: Names of metrics and of our recording rules, as they appear in PromQL.
METRIC = re.compile(r"\bintake[_:][a-z_:0-9]+")
#: Each command of promtool with the file that it checks.
CHECKS = [("check rules", "rules.yml"), ("check config", "prometheus.yml"), ("test rules", "rules_test.yml")]


@pytest.fixture
def exported(make_pipeline: MakePipeline) -> set[str]:
    pipeline = make_pipeline(2, limits=["retailcrm=off"]).open()
    pipeline.poll()
    pipeline.deliver_all()
    pipeline.rt.ledger.count_arrivals("shop", "hint shop", 1)
    registry = CollectorRegistry()
    registry.register(RedisCollector(pipeline.rt))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    names = {sample.name for family in families for sample in family.samples}
    # Some families have no sample before the first comparison or error: count their names too.
    return names | {family.name for family in families}


def panels() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads((DEPLOY / "grafana" / "dashboards" / "intake.json").read_text())["panels"]
    return listed


def recorded() -> set[str]:
    return set(re.findall(r"record: (\S+)", (PROMETHEUS / "rules.yml").read_text()))


def alarm_names() -> set[str]:
    """Return the names of all alarms."""
    return {*alarms(), "beat_silent", "upkeep_silent"} - {"_silent"}


def test_rules_and_panels_use_only_exported_metrics(exported: set[str]) -> None:
    rules = [line for line in (PROMETHEUS / "rules.yml").read_text().splitlines() if not line.strip().startswith("#")]
    used = set(METRIC.findall("\n".join(rules)))
    used |= {name for panel in panels() for target in panel["targets"] for name in METRIC.findall(target["expr"])}
    assert len(used) > 20
    assert used - exported - recorded() == set()


def test_every_panel_describes_what_to_do_when_it_is_red() -> None:
    commands = {*COMMANDS}
    for panel in panels():
        assert re.match(r"(When|Red when|Each row) ", panel["description"]), panel["title"]
        assert len(panel["description"]) > 40, panel["title"]
        for command in re.findall(r"\bintake ([a-z]+)\b", panel["description"]):
            assert command in commands, f"{panel['title']}: intake {command}"


def test_panels_have_unique_ids_do_not_overlap_and_use_the_chosen_data_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


def test_each_alarm_belongs_to_one_rule() -> None:
    text = (PROMETHEUS / "rules.yml").read_text()
    names = alarm_names()
    assert len(names) >= 20
    groups = re.findall(r'intake_alarm\{name=~"([^"]+)"', text)
    (others,) = re.findall(r'intake_alarm\{name!~"([^"]+)"', text)
    listed = [name for group in groups for name in group.split("|")]
    assert len(set(listed)) == len(listed)
    assert set(listed) == set(others.split("|"))
    assert set(listed) <= names


def test_every_alarm_and_every_metric_is_documented(exported: set[str]) -> None:
    page = (DEPLOY / "docs" / "watching.md").read_text()
    names = alarm_names()
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    base = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in exported}
    families = {name for name in base if f"{name}_total" not in base}
    ways = ("`{}`", "`{}{{", "`{}_total{{")  # a counter that counted nothing yet has no sample with its whole name
    assert [name for name in sorted(families) if not any(way.format(name) in page for way in ways)] == []


@pytest.mark.parametrize(("command", "file"), CHECKS)
def test_promtool_accepts_the_rules(command: str, file: str) -> None:
    done = subprocess.run(
        [require_program("promtool"), *command.split(), file],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
