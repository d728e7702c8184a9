"""The JSON Schema of `intake.toml` takes every file that Intake takes, and names what is no setting."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from jsonschema import Draft7Validator

from support import source_texts
from support.command_line import intake
from support.settings_files import GOOD
from support.settings_texts import dropboy, dropday, ordercloud, retailcrm, route, table

SCHEMA = json.loads(intake("schema", "settings").stdout)
ALL = (
    retailcrm("providers.a", limit=["5/s", "100/m"], status_map={"x": "new"}, poll_every="2m", site="nl")
    + dropday("targets.b", maintenance="Sun 02:00-04:00", country="name", concurrency=4)
    + ordercloud("targets.c", product_map="file:skus.csv")
    + dropboy("targets.d", max_tries=3)
    + route("a", "b", "c", "d")
    + table("producers.web", kind="standard", secret="env:S", **{"for": ["a"]})
    + table("redis", url="env:REDIS")
    + table("clocks", lease=9, heartbeat="3s")
    + table("alarms", quiet={"a": "30d"})
    + table("alarms.to.chat", url="env:HOOK")
)
PAGES = [
    (f"{page.name} {number}", text)
    for page in [source_texts.ROOT / "README.md", *sorted((source_texts.ROOT / "deploy" / "docs").glob("*.md"))]
    for number, text in enumerate(re.findall(r"(?ms)^```toml\n(.*?)^```", page.read_text(encoding="utf-8")))
    if page.name != "adapters.md" and "…" not in text  # whose kinds are of another package
]


def errors(text: str) -> list[str]:
    return [
        f"{list(error.path)}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(tomllib.loads(text))
    ]


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_a_file_with_everything_is_taken() -> None:
    assert errors(ALL) == []


@pytest.mark.parametrize("text", [text for _, text in PAGES], ids=[name for name, _ in PAGES])
def test_what_the_pages_show_is_taken(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("api_key", "apikey", ["providers", "a"]),
        ("poll_every", "pol_every", ["providers", "a"]),
        ('kind = "dropday"', 'kind = "dropdya"', ["targets", "b", "kind"]),
        ("max_tries = 3", 'max_tries = "three"', ["targets", "d", "max_tries"]),
        ("[clocks]", "[clock]", []),
        ("from =", "form =", ["routes", 0]),
    ],
)
def test_what_is_no_setting_is_named_where_it_stands(old: str, new: str, at: list[Any]) -> None:
    assert old in ALL
    found = Draft7Validator(SCHEMA).iter_errors(tomllib.loads(ALL.replace(old, new, 1)))
    assert any(list(error.path) == at for error in found)


def test_the_settings_of_the_other_tests_are_taken_too() -> None:
    schema = json.loads(json.dumps(SCHEMA))
    for section in ("providers", "targets"):  # their kinds are made up
        schema["properties"][section] = {}
    assert list(Draft7Validator(schema).iter_errors(tomllib.loads(GOOD))) == []
