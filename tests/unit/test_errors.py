"""The tree of errors: its drawing is correct and its codes are distinct."""

from __future__ import annotations

import inspect

import worker.errors
from worker.errors import ConfigError, IntakeError

ERRORS = [
    error
    for _, error in inspect.getmembers(worker.errors, inspect.isclass)
    if issubclass(error, IntakeError) and error.__module__ == worker.errors.__name__
]


def test_the_drawing_names_every_error_under_its_parent() -> None:
    drawing = (worker.errors.__doc__ or "").splitlines()
    depth = {
        word: line.index(word) for line in drawing for word in line.split() if word in {e.__name__ for e in ERRORS}
    }
    for error in ERRORS:
        parent = error.__mro__[1].__name__
        assert depth[error.__name__] > depth.get(parent, -1), f"{error.__name__} is not drawn below {parent}"


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in ERRORS]
    assert len(codes) == len(set(codes))


def test_a_config_error_names_file_key_reason_and_remedy() -> None:
    error = ConfigError("intake.toml", "targets.x.url", "it is not a URL", "Write https://…")
    assert str(error) == "intake.toml: targets.x.url: it is not a URL. Write https://…"
