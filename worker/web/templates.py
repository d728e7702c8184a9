"""The templates: every value in them is escaped, and a name that nobody gave is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from worker.operations.times import age, ago, utc_text
from worker.telemetry.printable import printable
from worker.web.static import FILES
from worker.web.visit import order_path

_FOLDER: Final = Path(__file__).with_name("templates")


class Templates:
    """The templates of this package."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "age": age,
            "ago": ago,
            "at": _at,
            "count": "{:,}".format,
            "sentence": _sentence,
            "shown": printable,
        }
        files = {name: file.url for name, file in FILES.items()}
        self._environment.globals |= {"order_path": order_path, "files": files}

    def render(self, template: str, **values: Any) -> str:
        """Return the page that a template makes of the values."""
        text: str = self._environment.get_template(template).render(**values)
        return text


def _at(millis: float) -> str:
    """Return a time (Unix milliseconds) for the `datetime` of a `time` element."""
    return utc_text(millis)


def _sentence(text: str) -> str:
    """Return the text as a sentence: with a capital at its beginning and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?…" else ".")
