"""A second, tolerant reader: it cuts a page that is not JSON as a whole into its records."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final

import simplejson

from worker.jsontext.decoding import decode_text, mended, value_at
from worker.jsontext.fragments import BAD_BYTE, Fragment, fragment_of, recognize
from worker.jsontext.spans import SKIPPED, end_of_value

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where an object begins behind another value.
_NEXT_OBJECT: Final = re.compile(r'[,}\]"\w][ \t\r\n]*,*[ \t\r\n]*(?=\{[ \t\r\n]*")')
#: What may stand between records without being part of one.
_STRAY: Final = ",]} \t\r\n"
#: A bracket behind which the list goes on: it is one too many.
_GOES_ON: Final = re.compile(r"\][ \t\r\n]*,?[ \t\r\n]*[{\]]")
#: The most places at which the list is taken to end.
_ENDS: Final = 64
#: The most lists of this name that are tried, and characters of a broken object whose keys are compared.
_HEADS: Final = 16
_LOOKED_AT: Final = 2**16
#: The fewest keys by which a record is recognized.
_FEWEST: Final = 3
#: The least part of the usual keys by which a record is recognized.
_ALIKE: Final = 0.5


def cut(body: bytes, key: str) -> Any | None:
    """Return the document that `body` would be, with a Fragment for each record that is not JSON.

    `key` is the key of the list of records, at the top of the document; "" if the list is the whole document. Return
    None if the records cannot be told apart, or if anything outside of them is not JSON: a page that was cut off, for
    example, may be whole at the next attempt.
    """
    text = mended(body.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    head = _head(key)
    for match in islice(head.finditer(text), _HEADS) if key else filter(None, [head.match(text)]):
        spans, end = _spans(text, match.end())
        document = _envelope(text, match.end(), end)
        lost = document is None
        if lost and end >= 0 and not _GOES_ON.match(text, end) and _sound(text, spans, match.end())[0] == spans:
            continue  # the fault is outside of the records
        if lost:
            # The brackets of some record do not fit: all from there to the end of the list is divided by its keys.
            spans, begin = (spans[:-1], spans[-1][0]) if end < 0 and spans else _sound(text, spans, match.end())
            if spans and not text.startswith("{", begin):
                begin = spans.pop()[0]  # the rest of a record that seemed to end before
            end = _last_bracket(text, match.end(), begin)
            document = _envelope(text, match.end(), end)
            spans.append((begin, end))
        if document is None or (key and document.get(key) != []):
            continue
        records = _records([text[start:stop] for start, stop in spans], lost=lost)
        if records is not None:
            return document | {key: records} if key else records
    return None


def first_record(text: str, key: str, reason: str) -> Fragment:
    """Return the Fragment of the first record of the page that begins with `text`; see `cut` for the `key`."""
    match = _head(key).search(text) if key else _head(key).match(text)
    item = text[match.end() :].lstrip() if match else ""
    # The text may end anywhere: the mark behind it keeps half of a number from being read as one.
    fields = recognize(f"{item}\ufffd").fields if item.startswith("{") else {}
    return Fragment(fields, f"the whole: {reason}", text=item or text or reason)


def _head(key: str) -> re.Pattern[str]:
    """Return what stands before the first record."""
    return re.compile(rf'"{re.escape(key)}"[ \t\r\n]*:[ \t\r\n]*\[' if key else r"[ \t\r\n]*\[")


def _spans(text: str, pos: int) -> tuple[list[tuple[int, int]], int]:
    """Return where each item of the list begins and ends, and where the list ends; -1 if that is not to be seen."""
    spans: list[tuple[int, int]] = []
    while (pos := SKIPPED.match(text, pos).end()) < len(text):  # type: ignore[union-attr]  # it matches nothing as well
        if text[pos] == "]":
            return spans, pos
        end = end_of_value(text, pos)
        spans.append((pos, end))
        if end < 0:
            break
        pos = end
    return spans, -1


def _sound(text: str, spans: list[tuple[int, int]], start: int) -> tuple[list[tuple[int, int]], int]:
    """Return the items before the first that is not JSON, and where that one begins."""
    for count, (begin, end) in enumerate(spans):
        try:
            sound = value_at(text, begin)[1] == end
        except (ValueError, RecursionError):
            sound = False
        if not sound:
            return spans[:count], begin
    return spans, spans[-1][1] if spans else start


def _envelope(text: str, start: int, end: int) -> Any | None:
    """Return the document without the items of its list; None if that is not JSON."""
    if end < 0:
        return None
    try:
        return decode_text(BAD_BYTE.sub("\ufffd", text[:start] + text[end:]))
    except ValueError:
        return None


def _last_bracket(text: str, start: int, begin: int) -> int:
    """Return the first of the last brackets from which on the document is JSON; -1 if there is none."""
    found, at = -1, len(text)
    for _ in range(_ENDS):
        at = text.rfind("]", begin, at)
        if at < 0:
            break
        found = at if _envelope(text, start, at) is not None else found
    return found


def _records(items: list[str], *, lost: bool) -> list[Any] | None:
    """Return the value of each item, or a Fragment. `lost`: the last item may hold several records."""
    values = [_value(item) for item in items]
    whole = [list(value) for value in values if isinstance(value, dict) and not isinstance(value, Fragment)]
    # Every object would be like a stub, such as {"id": null}.
    usual = max((keys for keys in whole if len(keys) >= _FEWEST), key=len, default=[])
    if not usual:
        usual = max((_usual_keys(item) for item in items), key=len, default=[])
        if lost and not usual:
            return None
    records: list[Any] = []
    for item, value in zip(items, values, strict=True):
        records += map(_value, _divide(item, usual)) if isinstance(value, Fragment) and usual else [value]
    return records


def _value(item: str) -> Any:
    """Return the value of an item, or a Fragment."""
    if BAD_BYTE.search(item):
        return fragment_of(item, "a byte that is not UTF-8")
    try:
        return decode_text(item)
    except simplejson.JSONDecodeError as error:
        return fragment_of(item, _reason(error, item))
    except ValueError as error:
        return fragment_of(item, "nested too deep" if "deep" in str(error) else "a number that is too large")


def _reason(error: simplejson.JSONDecodeError, item: str) -> str:
    """Return what is wrong, without any of the text."""
    if error.msg.startswith("Invalid control character"):
        return "a control character in a text"
    if re.compile("-?(NaN|Infinity)").match(item, error.pos):
        return "NaN or Infinity for a number"
    return str(error.msg).partition("%")[0].strip().lower()


def _divide(item: str, usual: list[str]) -> list[str]:
    """Divide a broken item where an object begins that has the keys of a record: it swallowed its neighbours."""
    starts = [0, *_records_inside(item, usual), len(item)]
    return [part for start, end in pairwise(starts) if (part := _trimmed(item[start:end]))]


def _trimmed(part: str) -> str:
    """Return a part without what stands behind a whole record: commas and brackets without a partner."""
    try:
        end = value_at(part, 0)[1]
    except (ValueError, RecursionError):
        return part.strip(", \t\r\n") if part.strip(_STRAY) else ""
    return part if part[end:].strip(_STRAY) else part[:end]


def _records_inside(item: str, usual: list[str]) -> Iterator[int]:
    """Yield where records begin inside of a broken item.

    A whole object is a record if it has half of the usual keys. A broken one may end early: it is a record as well if
    it begins with the usual keys.
    """
    behind = 0
    for match in _NEXT_OBJECT.finditer(item):
        at = match.end()
        if at < behind:
            continue
        try:
            value, behind = value_at(item, at)
            keys, begins_alike = list(value), False
        except (ValueError, RecursionError):
            keys = recognize(item[at : at + _LOOKED_AT]).keys
            begins_alike = keys[:2] == usual[:2]
        if begins_alike or len(set(keys) & set(usual)) >= _ALIKE * len(usual):
            yield at


def _usual_keys(item: str) -> list[str]:
    """Return the keys of a record, from a broken item that may hold several: of a whole one in it, or its own."""
    own = list(dict.fromkeys(recognize(item[:_LOOKED_AT]).keys))
    found: list[list[str]] = []
    behind = 0
    for match in _NEXT_OBJECT.finditer(item):
        if match.end() >= behind:
            try:
                value, behind = value_at(item, match.end())
            except (ValueError, RecursionError):
                continue
            # The keys of its own objects may count as its own: then no record has half of them, but all begin alike.
            if list(value)[:2] == own[:2] or len(set(value) & set(own)) >= _ALIKE * len(own):
                found.append(list(value))
    return max(found, key=len, default=own) if len(own) >= _FEWEST else []
