r"""JSON escapes (`\u202e`) for characters that cannot be shown: also what an encoding has no character for."""

from __future__ import annotations

import codecs
from typing import Final


def escape(text: str) -> str:
    """Return the JSON escape of each character of the text."""
    code = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{code[n : n + 2].hex()}" for n in range(0, len(code), 2))


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escape(error.object[error.start : error.end]), error.end


#: The error handler of an output that writes what its encoding lacks as JSON escapes: a line of JSON stays one.
ESCAPED: Final = "intake.escaped"
codecs.register_error(ESCAPED, _escape_unencodable)
