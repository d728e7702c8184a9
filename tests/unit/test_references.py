"""References in a target's own alphabet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.systems.references import decode, encode

PLAIN = "A-Za-z0-9-"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_reference_can_be_read_back(reference: str) -> None:
    text = encode(reference, PLAIN)
    assert decode(text, PLAIN) == reference
    assert all(character.isascii() and (character.isalnum() or character in "-_") for character in text)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_two_references_are_never_encoded_alike(first: str, second: str) -> None:
    assert (encode(first, PLAIN) == encode(second, PLAIN)) == (first == second)


@pytest.mark.parametrize(
    ("reference", "text"), [("web:7", "web_3A7"), ("a_1", "a__1"), ("é", "_C3_A9"), ("x-1", "x-1")]
)
def test_characters_outside_the_alphabet_are_written_as_bytes(reference: str, text: str) -> None:
    assert encode(reference, PLAIN) == text


@pytest.mark.parametrize("text", ["a_", "a_3", "a_zz", "_FF", "a:b", "_41", "_3a"])
def test_text_that_was_not_encoded_is_unchanged_by_decoding(text: str) -> None:
    assert decode(text, PLAIN) == text


def test_a_target_without_an_alphabet_gets_the_reference_unchanged() -> None:
    assert encode("a:b_/é", None) == "a:b_/é"
    assert decode("a_3Ab", None) == "a_3Ab"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_a_long_reference_keeps_its_beginning_and_ends_with_a_digest(reference: str) -> None:
    text, whole = encode(reference, PLAIN, 100), encode(reference, PLAIN)
    assert len(text) <= 100
    assert (text == whole) == (len(whole) <= 100)
    assert reference.startswith(decode(text, PLAIN))
    assert encode(f"{reference}x", PLAIN, 100) != text
    assert encode(reference, None, 100)[:50] == reference[:50]


def test_what_looks_like_a_digest_after_an_underscore_is_read_back() -> None:
    for reference in (f"a_h{'a' * 26}", f"a:_h{'a' * 26}", f"__h{'a' * 26}"):
        assert decode(encode(reference, PLAIN), PLAIN) == reference
