"""The usual English names of countries, by their ISO 3166-1 alpha-2 codes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

#: Where the time zone database has a name that nobody writes on a parcel.
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
    """From the list that comes with the time zone database, which we have anyhow."""
    text = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return dict(rows) | _ON_PARCELS


def name_of(country: str) -> str:
    """The name of a code; what is not a code comes back as it is."""
    return _names().get(country, country)


def code_of(country: str) -> str | None:
    """The code of a country that is written as a code, or by its usual English name; None if it is neither."""
    code = country.strip().upper()
    if code in _names():
        return code
    return next((known for known, name in _names().items() if name.upper() == code), None)
