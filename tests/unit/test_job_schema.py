"""The published schema of a job: an independent validator and our model accept the same jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas.job import Job, Signed, published, published_order
from support.command_line import intake
from support.drawn import examples

VALIDATOR = Draft202012Validator(published())
FILE = Path(__file__).parents[2] / "schemas" / "job.schema.json"
ORDER = {
    "external_id": "9",
    "status": "new",
    "ordered_at": "2026-01-01T10:00:00+01:00",
    "lines": [{"name": "Mug", "quantity": 2, "unit_price": "49.9"}],
    "totals": {"grand": "99.80"},
}
JOB = {"v": 1, "provider": "shop-nl", "external_id": "17"}
SIGNED = {"v": 1, "producer": "hook", "at": 1767225600, "job": json.dumps(JOB), "signature": "0a" * 32}


def is_job(document: Any) -> bool:
    """Return whether the inbox accepts the document."""
    model = Signed if isinstance(document, dict) and "signature" in document else Job
    try:
        model.model_validate(document)
    except ValidationError:
        return False
    return True


def without(job: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key != name}


GOOD = [
    JOB,
    {"v": 1, "provider": "shop", "record": {"id": 1}},
    {"v": 1, "provider": "0-shop", "order": ORDER},
    {**JOB, "record": None, "order": None, "id": None, "sent_at": None, "trace": None},
    {**JOB, "id": "log-1", "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    {**JOB, "sent_at": "2026-01-31T09:30:00Z"},
    {**JOB, "sent_at": "2024-02-29T23:59:59.123456789-11:30"},
    {**JOB, "external_id": "é 17"},
    {**JOB, "external_id": "x" * 255},
    SIGNED,
    {**SIGNED, "job": "not parsed"},
]
NO_RECORDS: tuple[Any, ...] = ({}, [], [1], "{}", 1, True)
NO_IDS: tuple[Any, ...] = ("", " 17", "17 ", "1\n7", "17\n", "\x00", 17, 1.5, True, "x" * 256, [])
BAD = [
    None,
    1,
    "job",
    [JOB],
    {},
    *(without(JOB, name) for name in JOB),
    *({**JOB, "v": v} for v in (2, 0, "1", True, None, 1.5)),
    *({**JOB, "provider": name} for name in ("", "-shop", "Shop", "shop\n", "shöp", "a" * 42, 7, None)),
    *({**JOB, name: {"id": 1}} for name in ("record", "order")),
    {**without(JOB, "external_id"), "record": {"id": 1}, "order": ORDER},
    {**JOB, "external_id": None},
    *({**without(JOB, "external_id"), "record": record} for record in NO_RECORDS),
    *({**JOB, "external_id": value} for value in NO_IDS),
    *({**JOB, "sent_at": at} for at in ("now", "", 1767225600, 1.5, "1767225600", "2026-01-31", "2026-01-31T09:30:00")),
    *({**JOB, "sent_at": f"2026-{at}Z"} for at in ("13-01T00:00:00", "01-32T00:00:00", "01-01T24:00:00")),
    *({**JOB, "sent_at": at} for at in ("2026-01-31 09:30:00Z", "2026-01-31T09:30Z", "2026-01-31T09:30:00Z\n")),
    *({**JOB, "sent_at": f"2026-01-31T09:30:{end}"} for end in ("60Z", "00+24:00", "00+0100", "00z", "00.Z")),
    {**JOB, "id": 7},
    {**JOB, "id": "x" * 201},
    {**JOB, "trace": "x" * 201},
    {**JOB, "colour": "red"},
    *(without(SIGNED, name) for name in SIGNED),
    *({**SIGNED, "v": v} for v in (2, "1", True)),
    *({**SIGNED, "at": at} for at in (-1, 10**12, "1767225600", 1.5, True, None)),
    *({**SIGNED, "signature": text} for text in ("", "0A" * 32, "0a" * 31, "0a" * 33, "0a" * 32 + "\n", None, 7)),
    {**SIGNED, "job": JOB},
    {**SIGNED, "producer": "Hook"},
    {**SIGNED, **JOB},
]


@pytest.mark.parametrize("job", GOOD, ids=str)
def test_a_valid_job_is_accepted_by_the_schema_and_the_model(job: Any) -> None:
    assert is_job(job)
    assert VALIDATOR.is_valid(job)


@pytest.mark.parametrize("job", BAD, ids=str)
def test_an_invalid_job_is_refused_by_the_schema_and_the_model(job: Any) -> None:
    assert not is_job(job)
    assert not VALIDATOR.is_valid(job)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.one_of(st.sampled_from(["shop", "shop-nl", "a" * 41, "a" * 42]), TEXT)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), TEXT, st.just({}), st.just({"id": 1}), st.lists(TEXT))
DIGITS = st.integers(0, 99).map("{:02}".format)
#: Times without the 29th to 31st: on days that a month lacks, schema and model differ, as documented.
TIMES = st.builds(
    "{}-{}-{}T{}:{}:{}{}{}".format,
    st.integers(1900, 2200),
    DIGITS,
    st.integers(0, 28).map("{:02}".format),
    *(DIGITS,) * 3,
    st.sampled_from(["", ".5", ".123456", ".", ",5"]),
    st.sampled_from(["Z", "+00:00", "-23:59", "+24:00", "", "z", "Z\n"]),
)
JOBS = st.fixed_dictionaries(
    {},
    optional={
        "v": st.one_of(st.just(1), VALUES),
        "provider": st.one_of(NAMES, VALUES),
        "record": VALUES,
        "order": VALUES,
        "external_id": st.one_of(TEXT, VALUES),
        "id": st.one_of(TEXT, VALUES),
        "sent_at": st.one_of(TIMES, VALUES),
        "trace": VALUES,
        "extra": VALUES,
    },
)


@settings(max_examples=examples(120, 500), deadline=None)
@given(JOBS.map(lambda job: {"v": 1, "provider": "shop"} | job))
@example(JOB)
def test_the_schema_and_the_model_agree_on_any_job(job: dict[str, Any]) -> None:
    assert is_job(job) == VALIDATOR.is_valid(job)


@pytest.mark.parametrize(
    "job",
    [
        {**JOB, "v": 1.0},
        {**SIGNED, "at": 1767225600.0},
        {**JOB, "sent_at": "2026-02-30T00:00:00Z"},
        {**JOB, "id": "\ud800"},
    ],
)
def test_documented_differences_are_refused_only_by_the_model(job: Any) -> None:
    assert VALIDATOR.is_valid(job)
    assert not is_job(job)


def test_the_file_and_the_command_equal_the_models_schema() -> None:
    printed = intake("schema", "job")
    assert json.loads(printed.output) == published()
    assert FILE.read_text() == printed.output, "write it again: intake schema job > schemas/job.schema.json"


def test_each_field_is_described() -> None:
    definitions = published()["$defs"]
    for model in ("Job", "Signed"):
        assert all("description" in field for field in definitions[model]["properties"].values())
    assert Draft202012Validator.check_schema(published()) is None


def test_the_schema_of_an_order_accepts_an_order_without_its_provider() -> None:
    printed = json.loads(intake("schema", "order").output)
    assert printed == published_order()
    order = Draft202012Validator(printed)
    order.check_schema(printed)
    assert order.is_valid(ORDER)
    assert order.is_valid({**ORDER, "provider": "shop"})
    assert not order.is_valid({**ORDER, "status": "lost"})
    assert not order.is_valid({**ORDER, "lines": [{"name": "Mug"}]})
    assert not order.is_valid({**ORDER, "colour": "red"})
    assert not order.is_valid(without(ORDER, "totals"))


def test_an_unknown_schema_is_refused_with_the_known_ones() -> None:
    result = intake("schema", "cat")
    assert result.exit_code == 2
    assert "'job', 'order'" in result.output
