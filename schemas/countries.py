"""Countries: ISO 3166-1 alpha-2 codes from what systems write, and English names. The names are those of CLDR."""

from __future__ import annotations

import pickle
import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from babel import localedata
from babel.core import get_global

from schemas.country_forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Codes of CLDR that name no country: groups, parts of countries, and placeholders.
_NO_COUNTRY: Final = frozenset(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"])
_ALPHA_2: Final = 2
#: Codes that are in use beside those of ISO 3166-1: the European Union's for Greece, and one for Kosovo.
_ALSO: Final = {"EL": "GR", "XKX": "XK"}
#: Codes that are also the name of another country, if only the first letter is a capital: Vietnamese "Nga" (Russia),
#: and "Áo" (Austria) and "Bỉ" (Belgium) without their accents.
_CLASHES: Final = frozenset({"Ao", "Bi", "Nga"})
#: English names that people write on parcels, where CLDR's are unusual.
_ON_PARCELS: Final = {
    "CD": "Democratic Republic of the Congo",
    "CG": "Republic of the Congo",
    "CI": "Côte d'Ivoire",
    "HK": "Hong Kong",
    "MM": "Myanmar",
    "MO": "Macao",
}
#: Accents, and marks of direction and width.
_ACCENTS: Final = re.compile("[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
#: Letters that cannot be decomposed into a letter and an accent.
_PLAIN: Final = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"}  # U+0131: i without a dot
)
#: Blanks and punctuation: of ASCII, quotation marks, apostrophes, dashes, dots and fullwidth parentheses.
_BREAKS: Final = re.compile("[\\s!-/:-@\\[-`{-~\xab\xb4\xb7\xbb\u02bc\u060c\u2010-\u2027\u30fb\uff08\uff09]+")
#: What stands between two names of one country: "Deutschland / Germany", "United Kingdom (UK)", "NL - Netherlands".
_SEPARATORS: Final = re.compile(r"[/|,;:()\[\]]|\s[-\u2013\u2014]\s")
_LAST_PARENTHESES: Final = re.compile(r"\(([^()]*)\)\s*$")
#: A longer text names no country.
_LONGEST: Final = 100


def country_name(country: str) -> str:
    """Return the English name of a country. A text that names no country is returned unchanged."""
    code = country_code(country)
    return (_ON_PARCELS.get(code) or _english()[code]) if code else country


@lru_cache(4096)
def country_code(text: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country; None for a text that names no country, or more than one.

    A text is a code (two or three letters in any case, or three digits), a name in any language of CLDR, one of
    `FORMS`, or several of these that mean the same country: "United Kingdom (UK)".
    """
    if len(text) > _LONGEST:
        return None
    readings = [[text], _LAST_PARENTHESES.split(text), _SEPARATORS.split(text)]
    # All languages are read last, because that takes time.
    for known in (_known, _foreign):
        for parts in readings:
            codes = {known(part.strip()) for part in parts if part.strip()}
            if len(codes) == 1 and (code := codes.pop()):
                return code
    return None


def _known(text: str) -> str | None:
    """Return the code of a code, of an English name, or of another usual form."""
    if text in _CLASHES:
        return None
    if text.isascii() and (code := _codes().get(text.replace(".", "").upper())):
        return code
    return _usual().get(_fold(text))


def _foreign(text: str) -> str | None:
    """Return the code as `_known` does, or that of a name in any language."""
    if text in _CLASHES:
        return None
    return _known(text) or _names().get(text.casefold()) or _folded().get(_fold(text)) or None


@cache
def _english() -> dict[str, str]:
    """Return CLDR's English names by code."""
    return dict(_countries(localedata.load("en")))


@cache
def _codes() -> dict[str, str]:
    """Return alpha-2 codes by all codes. A former code that has several successors is unknown."""
    names = _english()
    aliases = {old: new[0] for old, new in get_global("territory_aliases").items() if len(new) == 1 and new[0] in names}
    return {**aliases, **_ALSO, **{code: code for code in names}}


@cache
def _usual() -> dict[str, str]:
    """Return codes by English names and other usual forms."""
    names = [*_english().items(), *_ON_PARCELS.items()]
    forms = [(code, form) for code, text in FORMS.items() for form in text.split("|")]
    return {_fold(name): code for code, name in [*names, *forms]}


@cache
def _names() -> dict[str, str]:
    """Return codes by names in all languages, without case; "" for a name that means two countries.

    Reading all languages takes about half a second, once in a process.
    """
    names: dict[str, str] = {}
    for language in localedata.locale_identifiers():
        # `localedata.load` would keep all that it reads in memory: about 100 MB.
        with Path(localedata.resolve_locale_filename(language)).open("rb") as file:
            for code, name in _countries(pickle.load(file)):  # noqa: S301  # nosec B301  # Babel's own data
                if names.setdefault(key := name.casefold(), code) != code:
                    names[key] = ""
    return names


@cache
def _folded() -> dict[str, str]:
    """Return codes by the folded names in all languages; "" for one that means two countries."""
    folded: dict[str, str] = {}
    for name, code in _names().items():
        if folded.setdefault(key := _fold(name), code) != code:
            folded[key] = ""
    return folded


def _countries(locale: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield code and name of each country in a locale."""
    for code, name in locale.get("territories", {}).items():
        if len(code) == _ALPHA_2 and code not in _NO_COUNTRY:
            yield code, name


def _fold(name: str) -> str:
    """Return a name without case, accents, punctuation and the article, so that all ways to write it are one."""
    name = name.casefold()
    if not name.isascii():
        name = _ACCENTS.sub("", unicodedata.normalize("NFKD", name)).casefold().translate(_PLAIN)
    words = _BREAKS.split(name.replace("&", " and "))
    return " ".join("saint" if word == "st" else word for word in words if word and word != "the")
