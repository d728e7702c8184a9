"""The notation of the simulator's command line: `word:word:key=value:key=value`."""

from __future__ import annotations


def parse(text: str, words: int) -> tuple[list[str], dict[str, str]]:
    """Split a specification into its leading words and its options. Raise ValueError for a malformed one.

    `parse("dropday:main:key=K", 2)` is `(["dropday", "main"], {"key": "K"})`.
    """
    pieces = text.split(":")
    if len(pieces) < words or not all(pieces[:words]):
        raise ValueError(f"{text!r}: it must begin with {words} words separated by ':'")
    options: dict[str, str] = {}
    for piece in pieces[words:]:
        key, equals, value = piece.partition("=")
        if not equals:
            raise ValueError(f"{text!r}: {piece!r} is not key=value")
        options[key] = value
    return pieces[:words], options


def choice(options: dict[str, str], key: str, *allowed: str) -> str:
    """Take one option that must be one of `allowed`; the first is the default."""
    value = options.pop(key, allowed[0])
    if value not in allowed:
        raise ValueError(f"{key}={value}: choose from {', '.join(allowed)}")
    return value
