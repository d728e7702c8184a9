"""What changed in an order since it was sent. The memory of what was sent is three bytes for each filled field."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

from schemas.leaves import LINE_LEAVES, ORDER_LEAVES, SHAPE, custom_leaves, line_leaves, order_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.order import Order

_DIGEST: Final = 3
#: Lines are matched by the digest of their key, and an order may have a thousand: two must not be taken for one.
_KEY_DIGEST: Final = 4
#: Stands for a value that may or may not have arrived; no value has this digest.
_UNKNOWN: Final = b"\0\0\0"
#: The bytes that count the entries of `custom`, and the most of them that are remembered.
_COUNT: Final = 2
_MOST_CUSTOM: Final = 0xFFFF
_ALL_PATHS: Final = frozenset(ORDER_LEAVES) | {"custom"}


def line_keys(order: Order) -> tuple[str, ...]:
    """Return a text for each line that identifies it among the versions of the order.

    It is the line's id, else its SKU, EAN, product id or name; a text that an earlier line has is numbered: "MUG#2".
    """
    keys: dict[str, None] = {}
    counts: dict[str, int] = {}
    for line in order.lines:
        text = line.id or line.sku or line.ean or line.product_id or line.name
        key = text
        while key in keys:
            counts[text] = counts.get(text, 1) + 1
            key = f"{text}#{counts[text]}"
        keys[key] = None
    return tuple(keys)


def fingerprints(order: Order) -> bytes:
    """Return the memory of an order that was sent: a digest of each filled field, and of the key of each line.

    The digests depend on the order key and on the name of the field, so equal values of two orders have different ones.
    """
    return _Known.of(order).packed()


def uncertain(sent: bytes, order: Order) -> bytes:
    """Return the memory while it is not known whether `order` has arrived: fields in which both agree, others unknown.

    `sent` is the former memory, b"" if there is none: then nothing is known, and b"" is returned.
    """
    known = _Known.read(sent)
    return b"" if known is None else known.united(_Known.of(order)).packed()


def with_unknown(sent: bytes, *paths: str) -> bytes:
    """Return the memory without the fields at and below these paths ("lines": all lines), which are written again."""
    known = _Known.read(sent)
    if known is None:
        return b""
    for path in paths:
        known.fields |= {leaf: _UNKNOWN for leaf in ORDER_LEAVES if f"{leaf}.".startswith(f"{path}.")}
    if "lines" in paths:
        known.lines = {key: dict.fromkeys(LINE_LEAVES, _UNKNOWN) for key in known.lines}
    return known.packed()


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed in an order since it was sent to a target: its fields by path, and the leaves of its lines by key.

    Write these and nothing else, so that what people changed in the target stays. What may have been sent without an
    answer counts as changed, so a line of `lines` may be missing in the target: write a missing line of `lines` or
    `added` as a whole. A line that is in neither did not change: if it is missing, people removed it.
    """

    #: The paths that changed or were emptied, such as "note", "totals.shipping", "shipping_address.city", "payments",
    #: "custom.gift"; "custom" as well if anything in it changed.
    fields: frozenset[str]
    #: The changed leaves of each changed line that was sent before, by its key (see `line_keys`).
    lines: Mapping[str, frozenset[str]]
    #: The keys of lines that were not sent before.
    added: frozenset[str]
    #: It is known what was sent. If not, everything counts as changed.
    known: bool = True
    _order_key: str = field(default="", repr=False)
    #: The digests of the line keys and of the keys of `custom` that were sent and are gone; their lengths differ.
    _gone: frozenset[bytes] = field(default=frozenset(), repr=False)

    @classmethod
    def between(cls, sent: bytes, order: Order) -> Changes:
        """Compare an order with the memory of what was sent. Return `all` without one, or for one of another shape."""
        before = _Known.read(sent)
        if before is None:
            return cls.all(order)
        now = _Known.of(order)
        custom = _differing(before.custom, now.custom)
        paths = {f"custom.{name}" for name in order.custom if _custom_key(order.key, name) in custom}
        paths |= _differing(before.fields, now.fields) | ({"custom"} if custom else set())
        lines, added = {}, set()
        for key in line_keys(order):
            own = _line_key(order.key, key)
            if own not in before.lines:
                added.add(key)
            elif leaves := _differing(before.lines[own], now.lines[own]):
                lines[key] = leaves
        gone = (before.lines.keys() - now.lines.keys()) | (before.custom.keys() - now.custom.keys())
        return cls(frozenset(paths), lines, frozenset(added), _order_key=order.key, _gone=frozenset(gone))

    @classmethod
    def all(cls, order: Order) -> Changes:
        """Return everything as changed: it is not known what was sent."""
        paths = _ALL_PATHS | {f"custom.{name}" for name in order.custom}
        leaves = frozenset(LINE_LEAVES)
        return cls(paths, dict.fromkeys(line_keys(order), leaves), frozenset(), known=False, _order_key=order.key)

    def removed(self, key: str) -> bool:
        """Return whether a line of ours has to be removed from the target: it was sent, and is no longer in the order.

        Ask for lines that Intake wrote; a line without our key is one that people added.
        """
        if not self.known:
            return key not in self.lines
        return _line_key(self._order_key, key) in self._gone

    def touches(self, *paths: str) -> bool:
        """Return whether anything changed at a path or below it: "shipping_address", "custom.gift", "lines"."""
        return any(
            path in self.fields
            or (path == "lines" and self._touches_lines)
            or any(changed.startswith(f"{path}.") for changed in self.fields)
            or (path.startswith("custom.") and self._lost_custom(path.removeprefix("custom.")))
            for path in paths
        )

    @property
    def _touches_lines(self) -> bool:
        lost = any(len(digest) == _KEY_DIGEST for digest in self._gone)
        return bool(self.lines or self.added or lost or not self.known)

    def _lost_custom(self, name: str) -> bool:
        return not self.known or _custom_key(self._order_key, name) in self._gone

    def __bool__(self) -> bool:
        """Return whether anything changed."""
        return bool(self.fields or self.lines or self.added or self._gone or not self.known)


@dataclass(slots=True)
class _Known:
    """The digests of the fields by path, of the entries of `custom` by the digest of their key, and of the lines."""

    fields: dict[str, bytes]
    custom: dict[bytes, bytes]
    #: The digests of the leaves by name, by the digest of the line's key.
    lines: dict[bytes, dict[str, bytes]]

    @classmethod
    def of(cls, order: Order) -> _Known:
        salt = order.key
        fields = {path: _digest(salt, path, text) for path, text in order_leaves(order).items()}
        custom = {_custom_key(salt, name): _digest(salt, f"custom.{name}", text) for name, text in custom_leaves(order)}
        lines: dict[bytes, dict[str, bytes]] = {}
        for key, line in zip(line_keys(order), order.lines, strict=True):
            own = _line_key(salt, key)
            leaves = {name: _digest(salt, f"{key}\0{name}", text) for name, text in line_leaves(line).items()}
            # Where two keys have one digest, nothing is known of either line.
            lines[own] = leaves if own not in lines else dict.fromkeys(LINE_LEAVES, _UNKNOWN)
        return cls(fields, custom, lines)

    @classmethod
    def read(cls, packed: bytes) -> _Known | None:
        """Return what was packed; None if it is empty, or of another shape of the schema."""
        if not packed.startswith(SHAPE):
            return None
        rest = _Reader(packed, len(SHAPE))
        fields = rest.digests(ORDER_LEAVES)
        count = int.from_bytes(rest.take(_COUNT))
        custom = {rest.take(_DIGEST): rest.take(_DIGEST) for _ in range(count)}
        lines: dict[bytes, dict[str, bytes]] = {}
        while rest.left:
            key = rest.take(_KEY_DIGEST)
            lines[key] = rest.digests(LINE_LEAVES)
        return cls(fields, custom, lines)

    def packed(self) -> bytes:
        parts = [SHAPE, *_digests(self.fields, ORDER_LEAVES)]
        custom = list(self.custom.items())[:_MOST_CUSTOM]
        parts += [len(custom).to_bytes(_COUNT), *(key + digest for key, digest in custom)]
        for key, leaves in self.lines.items():
            parts += [key, *_digests(leaves, LINE_LEAVES)]
        return b"".join(parts)

    def united(self, other: _Known) -> _Known:
        """Return what both agree on; the rest is unknown."""
        keys = {**self.lines, **other.lines}
        lines = {key: _united(self.lines.get(key, {}), other.lines.get(key, {})) for key in keys}
        return _Known(_united(self.fields, other.fields), _united(self.custom, other.custom), lines)


class _Reader:
    """Takes packed digests apart."""

    def __init__(self, packed: bytes, at: int) -> None:
        self._packed, self._at = packed, at

    @property
    def left(self) -> bool:
        return self._at < len(self._packed)

    def take(self, size: int) -> bytes:
        self._at += size
        return self._packed[self._at - size : self._at]

    def digests(self, names: Sequence[str]) -> dict[str, bytes]:
        filled = int.from_bytes(self.take(_bytes_for(names)))
        return {name: self.take(_DIGEST) for n, name in enumerate(names) if filled >> n & 1}


def _digests(known: Mapping[str, bytes], names: Sequence[str]) -> Iterator[bytes]:
    """Yield a bit for each name, then the digests of those that are filled."""
    bits, digests = 0, []
    for n, name in enumerate(names):
        if name in known:
            bits |= 1 << n
            digests.append(known[name])
    yield bits.to_bytes(_bytes_for(names))
    yield from digests


def _bytes_for(names: Sequence[str]) -> int:
    return -(-len(names) // 8)


def _digest(order_key: str, path: str, text: str, *, size: int = _DIGEST) -> bytes:
    digest = blake2b(f"{order_key}\0{path}\0{text}".encode(errors="surrogatepass"), digest_size=size).digest()
    return digest if digest != _UNKNOWN else b"\0\0\1"


def _line_key(order_key: str, key: str) -> bytes:
    return _digest(order_key, "line", key, size=_KEY_DIGEST)


def _custom_key(order_key: str, name: str) -> bytes:
    return _digest(order_key, "custom key", name)


K = TypeVar("K", str, bytes)


def _differing(before: Mapping[K, bytes], now: Mapping[K, bytes]) -> frozenset[K]:
    """Return the keys with different digests or without one on a side. What is unknown differs from anything."""
    names = {**before, **now}
    return frozenset(name for name in names if before.get(name) != now.get(name) or before.get(name) == _UNKNOWN)


def _united(first: Mapping[K, bytes], second: Mapping[K, bytes]) -> dict[K, bytes]:
    return {name: first[name] if first.get(name) == second.get(name) else _UNKNOWN for name in {**first, **second}}
