"""The templates: every value in them is escaped, and shown without hidden characters; unknown names are errors."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from worker.operations.times import age, ago, utc_text
from worker.telemetry.printable import printable
from worker.web.paths import compared_path, correct_path, decision_path, order_path
from worker.web.static import FILES

if TYPE_CHECKING:
    from decimal import Decimal

    from schemas.order import Address, Customer

_FOLDER: Final = Path(__file__).with_name("templates")


@cache
def _environment() -> Environment:
    """Return the templates of this package, each compiled once."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    environment.filters |= {
        "age": age,
        "ago": ago,
        "amount": _amount,
        "at": utc_text,
        "count": "{:,}".format,
        "exact": escape,
        "sentence": _sentence,
        "shown": printable,
    }
    environment.globals |= {
        "order_path": order_path,
        "decision_path": decision_path,
        "correct_path": correct_path,
        "compared_path": compared_path,
        "files": {name: file.url for name, file in FILES.items()},
        "full_name": _full_name,
    }
    return environment


def compile_templates() -> None:
    """Compile every template, so that nobody waits for it who opens a page first."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def render(template: str, **values: Any) -> str:
    """Return the page that a template makes of the values."""
    text: str = _environment().get_template(template).render(**values)
    return text


def _shown(value: object) -> object:
    """Return a value of a template without hidden characters, unless it is HTML: what a form returns is `exact`."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _amount(value: Decimal) -> str:
    """Return an amount with two decimals, or as many as it has."""
    exponent = value.as_tuple().exponent
    return f"{value:.{max(2, -exponent if isinstance(exponent, int) else 0)}f}"


def _full_name(of: Address | Customer) -> str:
    """Return the given name and the surname."""
    return " ".join(filter(None, (of.first_name, of.last_name)))


def _sentence(text: str, *, named: bool = False) -> str:
    """Return the text as a sentence; it begins with a capital unless it begins with a name (`named`)."""
    text = text.strip()
    begin = text[:1] if named else text[:1].upper()
    return begin + text[1:] + ("" if not text or text[-1] in ".!?…" else ".")
