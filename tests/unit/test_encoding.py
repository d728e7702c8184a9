"""The JSON that is sent is ASCII, and holds each text and each digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import simplejson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.jsontext.encoding import ascii_json

_SCALARS = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()
_DOCUMENTS = st.recursive(_SCALARS, lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(), it, max_size=3))


@settings(max_examples=60)
@given(_DOCUMENTS)
@example({"price": Decimal("12.50"), "big": 10**30, "small": Decimal("1E-9"), "names": ("a", "\x7f")})
@example("\ud83d")
@example({"\ud83d": "\U0001f600 Žižkov"})
def test_a_document_is_the_same_when_it_is_read(document: Any) -> None:
    body = ascii_json(document)
    assert body.isascii()
    expected = simplejson.dumps(document, use_decimal=True, separators=(",", ":"))
    assert simplejson.loads(body, parse_float=str) == simplejson.loads(expected, parse_float=str)


@pytest.mark.parametrize("document", [Decimal("NaN"), {"a": object()}])
def test_what_json_cannot_hold_is_refused(document: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        ascii_json(document)
