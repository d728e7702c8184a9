"""Each Lua script and its Python declaration name the same keys and arguments in the same order."""

from __future__ import annotations

import re
from typing import Any

import pytest

from worker.store.redis import catalog
from worker.store.redis.catalog import CLAIM, RECORD, SETTLE, Script
from worker.store.redis.lua_source import _files, lua_names

SCRIPTS = [value for value in vars(catalog).values() if isinstance(value, Script)]
#: Files that other scripts include: they name no keys or arguments.
INCLUDED = {
    name
    for file in _files().values()
    for name in re.findall(r"^-- include (\w+)\.lua$", file.read_text("utf-8"), re.MULTILINE)
}


def text_of(name: str) -> str:
    """Return the text of a script without its includes."""
    return _files()[name].read_text(encoding="utf-8")


def header(text: str, table: str) -> tuple[tuple[str, ...], str]:
    """Return the local names that a script unpacks from KEYS or ARGV, and the range that it unpacks."""
    headers = re.findall(rf"^local ([\w,\s]+) =\s+unpack\({table}([^)]*)\)$", text, re.MULTILINE)
    assert len(headers) <= 1
    return (tuple(re.split(r",\s+", headers[0][0])), headers[0][1]) if headers else ((), "")


def test_every_script_is_declared_once() -> None:
    assert sorted(script.name for script in SCRIPTS if not script.while_full) == [
        name for name in lua_names() if name not in INCLUDED
    ]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name + "-full" * script.while_full)
def test_a_script_names_its_keys_and_arguments_as_declared(script: Script) -> None:
    text = text_of(script.name)
    assert header(text, "KEYS") == (script.keys, "")
    assert header(text, "ARGV") == (script.args, f", 1, {len(script.args)}" if script.each and script.args else "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name + "-full" * script.while_full)
def test_a_script_documents_and_reads_its_items_as_declared(script: Script) -> None:
    text = text_of(script.name)
    items = re.findall(r"^-- Then for each [^:]+: ([\w, ]+)$", text, re.MULTILINE)
    assert items == ([", ".join(script.each)] if script.each else [])
    step = "" if len(script.each) == 1 else f", {len(script.each)}"
    loops = [f"for i = {len(script.args) + 1}, #ARGV{step} do"] if script.each else []
    assert re.findall(r"for i = \d+, #ARGV.*? do", text) == loops


@pytest.mark.parametrize("name", lua_names())
def test_no_script_reads_a_key_or_an_argument_by_its_number(name: str) -> None:
    assert re.findall(r"(?:KEYS|ARGV)\[\d+\]", text_of(name)) == []
    assert name in INCLUDED or re.findall(r"\bKEYS(?!\))", text_of(name)) == []


def values_for(script: Script) -> dict[str, Any]:
    return {name: f"<{name}>" for name in script.keys + script.args}


def test_the_values_are_arranged_as_declared_whatever_the_order_of_the_call() -> None:
    backwards = dict(reversed(values_for(CLAIM).items()))
    keys, args = CLAIM.arrange(backwards, [])
    assert keys == [f"<{name}>" for name in CLAIM.keys]
    assert args == [f"<{name}>" for name in CLAIM.args]


def test_the_items_follow_the_arguments() -> None:
    assert RECORD.arrange(values_for(RECORD), ["a", "b"]) == ([], ["<record_prefix>", "<history_prefix>", "a", "b"])


@pytest.mark.parametrize(
    ("script", "change", "items"),
    [
        (CLAIM, {"drain": None}, []),
        (CLAIM, {"lane": None}, []),
        (CLAIM, {"drian": "d"}, []),
        (CLAIM, {"drain": None, "drian": "d"}, []),
        (CLAIM, {}, ["x"]),
        (SETTLE, {}, ["key", "delivered"]),
    ],
    ids=["argument missing", "key missing", "unknown", "misspelt", "no items expected", "half an item"],
)
def test_a_name_that_is_missing_or_unknown_and_a_partial_item_are_refused(
    script: Script, change: dict[str, str | None], items: list[str]
) -> None:
    values = {name: value for name, value in (values_for(script) | change).items() if value is not None}
    with pytest.raises(TypeError, match=rf"{script.name}\.lua: missing .*, unknown "):
        script.arrange(values, items)
