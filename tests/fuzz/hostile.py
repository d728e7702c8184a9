"""Hostile records: a record that names every field, with some of its fields spoiled or its text broken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

#: A path into a record: keys, and 0 for an item of a list.
Path = tuple[str | int, ...]

#: Values that any JSON can hold, as they are written.
VALUES: Final = (
    "null", "true", "false", "0", "-1", "[]", "{}", "[[]]", "[null]", "[0]", '[""]', "[{}]", '{"a": 1}', '""', '" "',
    '"x"', '"null"', '"None"', '"0"', '"-0"', '"-5"', '"1,50"', '"1.234,56"', '"1,234"', '"0x1F"', '"NaN"', '"1e400"',
    "1e400", "1E-400", "-1e28", "1E+999999999", "0.1", "29.979999999999997", "12345678901234567890", "-0.0", "1.00",
    "9" * 4000, '"' + "9" * 40 + '"', '"\\ud83d"', '"\\udc00x"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\u001b[31m"',
    '"\\u202ex"', '"\\u0085"', '"\\u2028"', '"\\ufeff"', '"\u0661\u0662"', '"\u00bd"', '"e\u0301"', '"a\\nb\\r\\tc"',
    '"<b>&amp;</b>"', '"\' OR 1=1"', '"{provider}"', '"a:b"', '"../x"', '"0000-00-00 00:00:00"', '"2026-02-30"',
    '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"10000-01-01T00:00:00Z"', '"2026-01-02"',
    '"2026-01-02T03:04:05"', '"2026-13-01T00:00:00Z"', "1767323045", '"24:00"', '"ZZ"', '"EURO"', '"eur"',
    "[" * 60 + "]" * 60, '{"a":' * 60 + "1" + "}" * 60, "[" * 600 + "]" * 600,
)  # fmt: skip
#: Values that no JSON can hold.
BROKEN: Final = (
    "NaN", "-Infinity", "None", "True", "undefined", "01", "1.", "+1", "", ",", "'x'", '"a\nb"', '"a\x00b"', '"\\x"',
    '"\\u12"', '"caf\udce9"', '"\udcff\udcfe"', '"a"b"', "9" * 5000, "[" * 3000 + "]" * 3000, '{"a" 1}', "[1 2]",
    '"open', "{", "]", "/* */ 1",
)  # fmt: skip
#: A rare value of some size: pages of them would only measure the network.
_LARGE: Final = ('"' + "x" * 100_000 + '"', "[" + "0," * 20_000 + "0]", '{"' + "k" * 50_000 + '": 1}')
_MARK: Final = "@@{}@@"


@dataclass(frozen=True)
class Hostile:
    """One record as it is sent; `own` if its id is intact, so that it must be found again under that id."""

    text: bytes = field(repr=False)
    number: int
    own: bool


class Records:
    """Makes hostile records of one provider from `full`, a record that names every field, and the wire model."""

    def __init__(
        self, full: dict[str, Any], model: type[BaseModel], id_path: Path, kept: frozenset[Path], rng: random.Random
    ) -> None:
        self._text, self._id_path, self._rng = json.dumps(full), id_path, rng
        paths = dict.fromkeys([*_paths_of(full), *_model_paths(model, id_path[:-1])])
        self._paths = [path for path in paths if path and path != id_path and path not in kept]

    def make(self, number: int, own_id: str | int) -> Hostile:
        """Return a record with this id and up to four spoiled fields; one in fifty is spoiled as a whole."""
        rng, marks, record = self._rng, list[str](), json.loads(self._text)
        _set(record, self._id_path, own_id)
        kind = rng.random()
        if kind < 0.02:
            return self._as_a_whole(record, number)
        own = kind > 0.05
        if not own:
            self._spoil(record, self._id_path, marks)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 4))):
            self._spoil(record, rng.choice(self._paths), marks)
        text = json.dumps(record, ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.1:
            # A key that stands twice: the last one counts, and it is intact. In what is not JSON, the first one does.
            key = rng.choice(list(record))
            own = own and key != self._id_path[0]
            text = f'{{"{key}": {rng.choice(VALUES)}, {text[1:]}'
        for n, value in enumerate(marks):
            text = text.replace(f'"{_MARK.format(n)}"', value, 1)
        return Hostile(text.encode("utf-8", "surrogateescape"), number, own)

    def _spoil(self, record: dict[str, Any], path: Path, marks: list[str]) -> None:
        """Remove the value at the path, or write another one in its place."""
        rng = self._rng
        if rng.random() < 0.1:
            _delete(record, path)
            return
        chance = rng.random()
        marks.append(rng.choice(BROKEN if chance < 0.1 else _LARGE if chance > 0.998 else VALUES))
        _set(record, path, _MARK.format(len(marks) - 1))

    def _as_a_whole(self, record: dict[str, Any], number: int) -> Hostile:
        rng, text = self._rng, json.dumps(record)
        whole = rng.choice(
            ("null", "7", '"x"', "[]", "[1]", "{}", '{"id": null}', "true", text[: rng.randrange(1, len(text))],
             text[1:], f"{text}}}", f"{text[:-1]}]", text.replace('"', "'"), f"[{text}]", text.replace(",", "", 3))
        )  # fmt: skip
        return Hostile(whole.encode(), number, own=False)


def _paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths_of(item, (*path, key))
    elif isinstance(value, list) and value:
        yield from _paths_of(value[0], (*path, 0))


def _model_paths(model: type[BaseModel], path: Path = (), depth: int = 5) -> Iterator[Path]:
    """Yield the path of each field of a wire model, under the names that the provider uses."""
    for name, info in model.model_fields.items():
        alias = info.validation_alias or info.alias or name
        names = [alias] if isinstance(alias, str) else list(getattr(alias, "choices", [name]))
        for key in names:
            yield (*path, str(key))
            for inner, many in _models_in(info.annotation) if depth else ():
                yield from _model_paths(inner, (*path, str(key), *((0,) if many else ())), depth - 1)


def _models_in(annotation: Any, *, many: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    """Yield the models in an annotation, and whether they stand in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, many
    in_list = many or getattr(annotation, "__origin__", None) in {list, tuple}
    for argument in get_args(annotation):
        yield from _models_in(argument, many=in_list)


def _parent(record: Any, path: Path, *, make: bool) -> Any:
    for step in path[:-1]:
        if isinstance(record, dict):
            if step not in record and not make:
                return None
            record = record.setdefault(step, {}) if isinstance(step, str) else record
        elif isinstance(record, list) and record and isinstance(step, int):
            record = record[step]
        else:
            return None
    return record


def _set(record: Any, path: Path, value: Any) -> None:
    parent, last = _parent(record, path, make=True), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    if isinstance(parent, list) and parent and isinstance(last, int):
        parent[last] = value


def _delete(record: Any, path: Path) -> None:
    parent, last = _parent(record, path, make=False), path[-1]
    if isinstance(parent, dict):
        parent.pop(last, None)
