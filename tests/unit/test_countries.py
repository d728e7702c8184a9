"""Countries: codes from what systems write. No text is ever taken for another country than it names."""

# ruff: noqa: RUF001  # names in many scripts

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from babel import localedata
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import countries
from schemas.countries import country_code, country_name
from schemas.country_forms import FORMS
from schemas.order import Address
from worker.lab.sandbox.people import COUNTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The languages of most shops, in all scripts that they use.
LANGUAGES = [
    *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "he", "hi"),
    *("hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "ko", "lt", "lv", "mk", "ms", "nb", "nl", "pl", "pt", "ro"),
    *("ru", "sk", "sl", "sq", "sr", "sr_Latn", "sv", "sw", "th", "tr", "uk", "ur", "uz", "vi", "zh", "zh_Hant"),
]
CODES = sorted(countries._english())


def names() -> Iterator[tuple[str, str]]:
    """Yield code and name of every country in every language above."""
    for language in LANGUAGES:
        territories = localedata.load(language, merge_inherited=False)["territories"]
        yield from ((code, territories[code]) for code in CODES if code in territories)


def test_every_name_is_its_country_or_none() -> None:
    wrong, missed = set(), set()
    ways = cycle([str.upper, str.lower, " {}\t".format, "{} ({{}})".format])
    for (code, name), way in zip(names(), ways, strict=False):
        for text in (name, way(name).replace("{}", code)):
            if (found := country_code(text)) is None:
                missed.add(name)
            elif found != code:
                wrong.add((text, code, found))
    # Vietnamese for Russia, which is in capitals the code of Nigeria.
    assert wrong <= {("NGA", "RU", "NG"), ("nga", "RU", "NG")}
    # Each of these means two countries.
    assert missed == {"Nga", "Конго", "Kongo", "Nigeri", "Свети Мартин", "لتونی"}


def test_a_name_of_two_countries_in_two_languages_is_none() -> None:
    known, folded = countries._names(), countries._folded()
    two = {name for name, code in known.items() if not code}
    assert two >= {"kongo", "конго", "nigeri"}
    assert {name for name in two if country_code(name)} == set()
    usual = countries._usual()
    assert {name: folded[name] for name, code in usual.items() if folded.get(name, code) != code} == {}
    clashes = {name.title() for name, code in folded.items() if countries._codes().get(name.upper(), code) != code}
    assert clashes == countries._CLASHES


def test_codes_are_read_in_any_case() -> None:
    for code in CODES:
        assert country_code(code) == country_code(code.lower()) == code
    others = {"NLD": "NL", "nld": "NL", "528": "NL", "UK": "GB", "uk": "GB", "EL": "GR", "XK": "XK", "XKX": "XK"}
    dotted = {"U.S.A.": "US", "u.k.": "GB", "U.S.": "US", " NL ": "NL"}
    assert {text: country_code(text) for text in others | dotted} == others | dotted


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("NL", "Nederland|NEDERLAND|Niederlande|Pays-Bas|pays bas|Нидерланды|Holland|The Netherlands|Netherlands, The"),
        ("GB", "United Kingdom (UK)|United Kingdom|Great Britain|England|Scotland|GB - United Kingdom"),
        ("US", "United States (US)|USA|United States of America|Vereinigte Staaten|США|美国|U.S."),
        ("RU", "Russia|Russian Federation|Россия|Российская Федерация|Russische Föderation"),
        ("KR", "South Korea|Korea, Republic of|Republic of Korea|대한민국"),
        ("TH", "Thailand|ไทย|ประเทศไทย"),
        ("CZ", "Czech Republic|Czechia|Česko|ceska republika"),
        ("CI", "Ivory Coast|Côte d'Ivoire|Cote d’Ivoire|COTE D'IVOIRE"),
        ("CD", "Congo (Kinshasa)|Congo, the Democratic Republic of the|DR Congo"),
        ("VG", "Virgin Islands (British)|British Virgin Islands"),
        ("SX", "Saint Martin (Dutch part)|Sint Maarten"),
        ("UM", "United States (US) Minor Outlying Islands|United States Minor Outlying Islands"),
        ("HK", "Hong Kong|Hong Kong SAR China|Hong Kong, China"),
        ("TR", "Turkey|Türkiye|TURKIYE|TÜRKİYE|Türkei|Tuerkei"),
        ("AT", "Österreich|Osterreich|Oesterreich|OESTERREICH|Áo"),
        ("BA", "Bosnia and Herzegovina|Bosnia & Herzegovina|Bosnia-Herzegovina"),
        ("LC", "St. Lucia|Saint Lucia|St Lucia"),
        ("DE", "Deutschland / Germany|Germany (Deutschland)|(DE)|Bundesrepublik Deutschland"),
        ("CY", "Kıbrıs|KIBRIS|Κύπρος"),
        ("GW", "Guinea-Bissau"),
        ("GN", "Guinea"),
    ],
)
def test_forms_that_shops_write(code: str, texts: str) -> None:
    assert {text for text in texts.split("|") if country_code(text) != code} == set()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "XX", "ZZ", "EU", "AN", "SU", "000", "12", "N", "NLNL", "-", "()", "Ao", "Bi", "Nga"),
        *("Narnia", "Korea", "Ireland, UK", "Georgia, US", "Netherlands Antilles", "Europe", "x" * 10_000),
    ],
)
def test_a_text_that_names_no_country_or_two_is_none(text: str) -> None:
    assert country_code(text) is None
    assert country_name(text) == text


@settings(max_examples=50)
@given(st.text(max_size=50))
def test_no_text_fails(text: str) -> None:
    assert country_code(text) in {None, *CODES}


def test_a_name_leads_back_to_its_code() -> None:
    assert {code for code in CODES if country_code(country_name(code)) != code} == set()
    assert [country_name(text) for text in ("NL", "kr", "Niederlande", "CD", "Narnia")] == [
        "Netherlands",
        "South Korea",
        "Netherlands",
        "Democratic Republic of the Congo",
        "Narnia",
    ]


def test_forms_are_of_countries_and_none_is_there_twice() -> None:
    forms = [form for text in FORMS.values() for form in text.split("|")]
    assert (set(FORMS) - set(CODES), len(forms) - len({countries._fold(form) for form in forms})) == (set(), 0)


def test_usual_texts_do_not_need_all_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    def reads() -> None:
        raise AssertionError("all languages are read")

    monkeypatch.setattr(countries, "_names", reads)
    country_code.cache_clear()
    texts = ("nl", "NLD", "Netherlands", "United Kingdom (UK)", "Ivory Coast", "Holland", "UK", "NL - Netherlands")
    assert None not in {country_code(text) for text in texts}


def test_an_address_has_the_code() -> None:
    texts = ("nl", "Nederland", "United Kingdom (UK)", " ", None, "Narnia")
    assert [Address(country=text).country for text in texts] == ["NL", "NL", "GB", None, None, "Narnia"]
    assert Address(country="NL", region="noord-holland ", postal_code="1017 pr").model_dump(exclude_none=True) == {
        "country": "NL",
        "region": "noord-holland",
        "postal_code": "1017 pr",
    }


def test_the_countries_of_the_simulated_orders_are_known_by_their_own_names() -> None:
    assert {country.iso: country_code(country.name) for country in COUNTRIES} == {c.iso: c.iso for c in COUNTRIES}
