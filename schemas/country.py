"""The usual English names of countries, by their ISO 3166-1 alpha-2 codes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

#: Names for parcels, where the time zone database has another one.
_ON_PARCELS: Final = {
    "CD": "Democratic Republic of the Congo",
    "CG": "Republic of the Congo",
    "GB": "United Kingdom",
    "KP": "North Korea",
    "KR": "South Korea",
    "MM": "Myanmar",
    "SZ": "Eswatini",
}


@cache
def _names() -> dict[str, str]:
    """Read the list that comes with the time zone database, which is a dependency anyway."""
    text = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return dict(rows) | _ON_PARCELS


def name_of(country: str) -> str:
    """Return the name of a code. Any other text is returned unchanged."""
    return _names().get(country, country)


def code_of(country: str) -> str | None:
    """Return the code of a country that is written as a code or by its usual English name; None for any other text."""
    code = country.strip().upper()
    if code in _names():
        return code
    return next((other for other, name in _names().items() if name.upper() == code), None)
