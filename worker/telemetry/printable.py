"""Text of other systems on a terminal and in the log: characters that change what is shown are written as escapes."""

from __future__ import annotations

import re
from typing import Final

from worker.process.escapes import escape

#: Control characters but tab and line feed, format characters (direction marks among them), separators of lines and
#: paragraphs, and halves of surrogate pairs: the categories Cc, Cf, Zl, Zp and Cs of Unicode.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)

_BREAKS: Final = re.compile("[\t\n]")


def printable(text: str) -> str:
    r"""Return the text with a JSON escape (`\u202e`) for each character that a terminal would not show."""
    return _HIDDEN.sub(lambda match: escape(match[0]), text)


def one_line(text: str) -> str:
    r"""Return the printable text with escapes for line feeds and tabs too: it stays one line."""
    return _BREAKS.sub(lambda match: escape(match[0]), printable(text))
