"""The examples at the end of each command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return the epilog of a command that shows these command lines; each of them must be valid as it stands."""
    # Click keeps the lines of a paragraph as they are after a line of a backspace alone.
    return "\n".join(["\b", f"Example{'s' if len(lines) > 1 else ''}:", *(f"  {line}" for line in lines)])
