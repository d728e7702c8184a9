"""The words of every text that a person reads: standard terms, and none of the private ones that they replaced."""

from __future__ import annotations

import re
from bisect import bisect

import pytest

from support.reader_texts import reader_texts

#: What to write, and the private words and turns of phrase that it replaces.
WORDS = {
    "fix": ("mend", "mends", "mended", "mending"),
    "report, show, state; a person may say or tell": ("say", "says", "tell", "tells", "told"),
    "duplicated, a duplicate": ("doubled", "doubles", "a double", "twice sent", "sent twice there"),
    "accept": ("take in", "takes in", "taken in", "took in", "taking in", "takes them in"),
    "continue, recover automatically": (
        *("go on by", "goes on", "going on", "went on", "gone on", "to go on", "go on with", "go on later"),
        *("all goes on", "and go on", "orders go on", "others go on", "would go on", "by itself again"),
    ),
    "resume": ("let name go on",),
    "discard, leave": ("let it be", "let them be", "let be", "let dead orders be"),
    "return, release": ("give back", "gives back", "given back", "hand back", "hands back", "handed back"),
    "hold, held": ("kept aside", "keep aside", "keeps aside", "held held"),
    "also, in addition": ("besides", "all the same", "all else", "beside that"),
    "permanently, without end": ("for ever", "for good and all", "refuses for good", "nothing for good"),
    "mutation": ("breakage", "breakages"),
    "median, 95th percentile": ("half within", "of a hundred within", "95 of 100"),
    "rate-limit scope, provider of the orders": ("whose limit", "and whose", "whose orders they are"),
    "checked every": ("looked for each", "comes each", "polled each", "each second brings"),
    "new ledger, quarantine": ("young ledger", "younger ledger"),
    "history": ("story", "stories"),
    "archived": ("at rest", "rests in", "rests again", "rests until", "come to rest", "comes to rest"),
    "conformance suite": ("the plug-in", "a plug-in", "the suite checks"),
    "a sentence with its subject": ("whoever", "whosoever", "nobody is asked", "nobody's fault", "nobody's business"),
    "earlier, former": ("of before", "from of old", "before this release"),
    "required, expected": ("is wanted", "are wanted", "was wanted", "were wanted", "is asked of it"),
    "outcome of, result": (
        *("what becomes of", "what became of", "what came of", "came of them", "made of them", "makes of it"),
        *("what follows from it", "comes to nothing", "came to nothing"),
    ),
    "fail": ("stumbles", "stumble over", "stumbled", "goes wrong", "went wrong", "something of ours"),
    "choose from": ("known are", "known here are"),
    "typo": ("slip of the pen",),
    "recover": ("find its way back", "finds its way back", "found its way back", "makes up for it"),
    "search": ("looked through", "looks through", "walked over", "is looked for"),
    "established, arrive": ("comes about", "come about", "comes of it"),
    "unused, without effect": ("in vain",),
    "learn": ("hears of", "hear of", "is heard of", "nothing is heard"),
    "with the reason": ("in words", "in its words", "in their words", "with their words"),
    "since, or more": ("from which on", "from 1 on", "from then on", "from this moment on", "from now on,"),
    "settled, in progress": ("out of the way", "taken in hand", "takes in hand", "in its hands", "in the hands of"),
    "valid for": ("good for", "is good until"),
    "ok, error": ("0 well", "1 well", "all is well", "not so.", "is not right"),
    "does not exist": (
        *("that there is not", "that there is no", "there is not one", "is not to be seen", "is not to be had"),
        *("which there is not", "that is not there", "that are not there"),
    ),
    "a count with its noun": ("1 alarms", "1 orders", "1 records", "1 jobs", "1 are", "1 need attention"),
    "limit": ("where it ends", "where that ends", "ends where it"),
    "vendor": ("the maker", "the maker's", "makers of"),
    "the user interface, for people": ("operator's seat", "the seat of"),
    "is not a": (
        *("is no number", "is no text", "is no parameter", "is no port", "is no address that", "is no pair"),
        *("is no login", "is no time", "are no days", "are no objects", "is no version that", "is no error"),
    ),
    "in the future": ("is to come",),
    "no longer": ("not exist any more",),
    "is in, is written in": (
        *("stands in a", "stands in the", "stands in an", "stands in line", "stands above", "stands beside"),
        *("stands there", "may stand in", "what stands", "they stand", "stands in `", "text stands", "it stands in"),
    ),
    "listen on": ("to listen at",),
    "a plain statement": ("is news", "as it were", "so to speak", "holds it to", "speaks for it", "stands on it"),
}
PHRASES = [(phrase, term) for term, phrases in WORDS.items() for phrase in phrases]


def private_words(text: str) -> list[tuple[int, str]]:
    """Return where private words stand in a text, each with the term to write instead."""
    text = text.lower()
    return [
        (match.start(), f"{phrase!r}: write {term}")
        for phrase, term in PHRASES
        if phrase in text
        for match in re.finditer(rf"{re.escape(phrase)}(?!\w)", text)
        if not text[match.start() - 1 : match.start()].isalnum()
    ]


def test_no_text_that_a_person_reads_has_a_private_word() -> None:
    texts = reader_texts()
    starts, places, end = list[int](), list[str](), 0
    for place, text in texts:
        starts.append(end)
        places.append(place)
        end += len(text) + 1
    found = private_words("\n".join(text for _, text in texts))
    assert [f"{places[bisect(starts, at) - 1]} {words}" for at, words in found] == []


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in PHRASES])
def test_each_phrase_of_the_list_is_found(phrase: str) -> None:
    assert private_words(f"Before {phrase.capitalize()} after.")
    assert not private_words(f"Xy{phrase.replace(' ', 'x')}xy.")


def test_the_texts_are_those_that_people_read() -> None:
    """A collection of texts that lost its pages or messages would find nothing."""
    places = {place.partition(":")[0] for place, _ in reader_texts()}
    expected = {
        *("README.md", "CHANGELOG.md", "Makefile", "deploy/docs/tutorial.md", "deploy/docs/decisions/01-nudges.md"),
        *("deploy/grafana/dashboards/intake.json", "deploy/prometheus/rules.yml", "deploy/env.example"),
        *("deploy/helm/intake/templates/NOTES.txt", "worker/web/templates/home.html", "worker/watch/metrics.py"),
        *("worker/cli/__init__.py", "worker/watch/judgements.py", "tasks/poll.py", "schemas/job.py"),
    }
    assert expected <= places
