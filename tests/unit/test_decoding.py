"""The decoder of the JSON that others send: both of its halves read the same, and no digit of a number is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.jsontext.decoding import DEPTH, _strict, decode, decode_text, mended, value_at

if TYPE_CHECKING:
    from collections.abc import Callable

#: Numbers as JSON writes them, with up to 28 digits, and longer than any machine's.
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,28})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8).map(json.dumps)
_HALVES = st.sampled_from(['"\\ud83d"', '"\\ude00"', '"\\ud83d\\u0041"', '"\\ud83d\\ude00"', '"\\\\ud83d"'])
_WORDS = st.sampled_from(["null", "true", "false", "NaN", "-Infinity", "-0", "-0.0", "1E400", "01", "1.", "nul", ""])
_BLANKS = st.sampled_from(["", " ", "\n\t", "\u00a0"])
_SCALARS = st.one_of(_NUMBERS, _TEXTS, _HALVES, _WORDS)


def _listed(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=4).map(lambda texts: f"[{','.join(texts)}]")


def _mapped(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', "1"])
    pairs = st.tuples(keys, items).map(":".join)
    return st.lists(pairs, max_size=4).map(lambda texts: f"{{{','.join(texts)}}}")


_DOCUMENTS = st.recursive(st.tuples(_BLANKS, _SCALARS, _BLANKS).map("".join), lambda it: _listed(it) | _mapped(it))
_BYTES = st.one_of(
    st.builds(lambda text, mark: mark + text.encode(), _DOCUMENTS, st.sampled_from([b"", b"\xef\xbb\xbf"])),
    st.builds(
        lambda text, at, byte: text[:at] + byte + text[at:],
        _DOCUMENTS.map(str.encode),
        st.integers(0, 9),
        st.binary(max_size=2),
    ),
)


def _tolerant(body: bytes) -> Any:
    return decode_text(mended(body.decode("utf-8-sig")))


def _shown(value: Any) -> str:
    """Return a text that tells 1 from 1.0, True and Decimal(1), and one order of keys from another."""
    return repr(value)


@given(body=_BYTES)
@example(b"[" * 5000)
@example(b"-0")
@example(b"1" * 5000)
@example(b'{"a":1,"b":2,"a":3}')
@example(b'"\xed\xa0\x80"')
def test_what_the_fast_decoder_reads_the_tolerant_one_reads_alike(body: bytes) -> None:
    try:
        fast = _strict()(body)
    except (ValueError, RecursionError):
        return
    assert _shown(fast) == _shown(_tolerant(body)) == _shown(decode(body))


@given(body=_BYTES)
def test_what_the_tolerant_decoder_reads_is_read(body: bytes) -> None:
    try:
        tolerant = _tolerant(body)
    except (ValueError, RecursionError):
        with pytest.raises(ValueError):  # noqa: PT011  # whichever says it
            decode(body)
    else:
        assert _shown(decode(body)) == _shown(tolerant)


@given(digits=st.integers(1, 10**28 - 1), places=st.integers(0, 28))
@example(digits=9007199254740993, places=1)
def test_a_number_keeps_each_of_28_digits(digits: int, places: int) -> None:
    number = Decimal(digits).scaleb(-places)
    [read] = decode(f"[{number:f}]".encode())
    assert f"{Decimal(read):f}" == f"{number:f}"


def test_the_fast_decoder_reads_what_systems_send() -> None:
    """Else every page would be read twice."""
    body = '{"orders":[{"id":7,"total":9.90,"note":"naïve 😀 \\ud83d\\ude00","none":null}]}'.encode()
    assert _strict()(body) == _tolerant(body)


def _nested(depth: int, inner: str) -> str:
    """Return lists and objects inside each other, by turns; a text in the middle may look like more of them."""
    opening = "".join('{"a":' if number % 2 else "[" for number in range(depth))
    closing = "".join("}" if number % 2 else "]" for number in reversed(range(depth)))
    return f"{opening}{inner}{closing}"


@pytest.mark.parametrize("inner", ["1", '"[[[[{{{{"', '"]]]]"', '"\\ud83d"'])
@pytest.mark.parametrize("read", [lambda text: decode(text.encode()), decode_text, lambda text: value_at(text, 0)[0]])
def test_the_depth_of_a_document_is_limited_alike_by_every_python(read: Callable[[str], Any], inner: str) -> None:
    assert read(_nested(DEPTH, inner)) is not None
    assert read(f"[{inner},{_nested(DEPTH - 1, inner)},{_nested(9, inner)}]") is not None
    for deep in (_nested(DEPTH + 1, inner), f"[{_nested(DEPTH, inner)}, {inner}]", _nested(5000, inner)):
        with pytest.raises((ValueError, RecursionError)):
            read(deep)


class _Inner(TypedDict, total=False):
    a: Any


class _Outer(TypedDict, total=False):
    a: Any
    b: list[_Inner]


def _picked(value: Any) -> Any:
    """Return what `_Outer` names of a value."""
    inner = [{name: item[name] for name in ("a",) if name in item} for item in value.get("b", [])]
    return {name: inner if name == "b" else value[name] for name in ("a", "b") if name in value}


_ITEMS = st.lists(_mapped(_DOCUMENTS), max_size=3).map(lambda texts: f'{{"b": [{",".join(texts)}]}}')


@given(body=st.one_of(_BYTES, _mapped(_DOCUMENTS).map(str.encode), _ITEMS.map(str.encode)))
@example(b'{"a": 1.10, "b": [{"a": {"x": [1e2]}, "c": 2}, {}], "d": {"a": 1}}')
@example(b'{"b": [{"a": 1}, 2], "c": 3}')
@example(b'{"b": {"a": 1}, "c": 3}')
@example(b'{"c": ' + b"[" * 300 + b"]" * 300 + b"}")
def test_what_is_wanted_of_a_document_is_what_it_holds(body: bytes) -> None:
    try:
        whole = decode(body)
    except ValueError:
        whole = None
    try:
        part = decode(body, _Outer)
    except ValueError:
        assert whole is None
        return
    if whole is None:  # what cannot be read was skipped
        assert isinstance(part, dict)
    elif part != whole:
        assert _shown(part) == _shown(_picked(whole))


def test_a_document_of_another_shape_is_decoded_whole() -> None:
    assert decode(b'{"b": {"a": 1}, "c": 3}', _Outer) == {"b": {"a": 1}, "c": 3}
    assert decode(b'{"a": 0.10, "b": [{"a": 1, "c": 2}], "c": 3}', _Outer) == {"a": Decimal("0.10"), "b": [{"a": 1}]}
