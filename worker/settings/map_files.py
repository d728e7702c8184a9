"""Maps of accounts that stand in files of their own, and are read again when a file changes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from worker.process.lazy_log import log
from worker.settings.map_formats import Entries, MapError, parse
from worker.settings.secret_files import FILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Seconds from one look at the files to the next.
_EVERY: Final = 1.0
#: A file that changed in the last seconds is read again at the next look: a second change may have the same time.
_RECENT: Final = 2.0


class MapFile:
    """One map in a file: `file:NAME`, or `file:NAME#KEY,VALUE` with the names of two columns."""

    def __init__(self, text: str, folder: Path) -> None:
        self.name, mark, columns = text.removeprefix(FILE).partition("#")
        self._path = folder / self.name
        named = tuple(column.strip() for column in columns.split(","))
        self._valid = bool(self.name) and (not mark or (len(named) == 2 and all(named)))  # noqa: PLR2004  # key, value
        self._columns = (named[0], named[-1]) if mark else None
        self._seen: tuple[int, ...] | None = None
        self._result: Entries | MapError = MapError("was not read yet", "Wait a second.")

    def read(self) -> Entries | MapError:
        """Return the entries, or why they cannot be read: the same object until the file changes."""
        result: Entries | MapError
        try:
            seen = self._stat()
            if seen == self._seen:
                return self._result
            result = parse(self._path.read_bytes(), self._path.suffix, self._columns)
            if self._stat() != seen:
                return self._result  # it is being written: the next look reads it
        except MapError as error:
            result, seen = error, self._stat() if self._valid else ()
        except FileNotFoundError:
            result, seen = MapError("does not exist", "Its name is relative to the folder of intake.toml."), ()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            result, seen = MapError(f"cannot be read: {reason.lower()}", "Make it a file that Intake may read."), ()
        is_recent = bool(seen) and time.time() - seen[1] / 1e9 < _RECENT
        self._seen = None if is_recent else seen
        if not _same(result, self._result):
            self._result = result
        return self._result

    def _stat(self) -> tuple[int, ...]:
        if not self._valid:
            remedy = 'Write "file:skus.csv", or "file:skus.csv#sku,product" for a file with more columns.'
            raise MapError("does not name a file, or a file and two of its columns", remedy)
        stat = os.stat(self._path)  # noqa: PTH116  # half the time of Path.stat
        return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


def _same(new: Entries | MapError, old: Entries | MapError) -> bool:
    if isinstance(new, MapError) and isinstance(old, MapError):
        return (new.reason, new.remedy) == (old.reason, old.remedy)
    return new == old


class MapProblem(NamedTuple):
    """A map that cannot be read: its key in the options, the reason and the remedy."""

    key: str
    reason: str
    remedy: str


class MappedOptions:
    """The options of an account, of which some maps stand in files.

    A file that cannot be read keeps the last map that could be read, and is logged once.
    """

    def __init__(
        self, account: str, options: type[BaseModel], values: Mapping[str, Any], files: dict[str, MapFile]
    ) -> None:
        self._account, self._options, self._values, self._files = account, options, dict(values), files
        self._tried: dict[str, Entries | MapError] = {}
        self._good: dict[str, Entries] = {}
        self._problems: dict[str, MapProblem] = {}
        self._current: BaseModel | None = None
        self._next = 0.0

    def load(self) -> BaseModel:
        """Read all files for the first time. In the place of a map that cannot be read stands an empty one.

        Raise ValidationError if a value beside the maps is wrong.
        """
        self._next = time.monotonic() + _EVERY
        self._tried = {key: file.read() for key, file in self._files.items()}
        self._current, problems = self._build(self._tried)
        self._problems = {problem.key: problem for problem in problems}
        return self._current

    @property
    def current(self) -> BaseModel:
        """The options with the maps as they are now: the same object until a map changes."""
        if time.monotonic() >= self._next or self._current is None:
            self._refresh()
        assert self._current is not None  # noqa: S101  # `load` comes first
        return self._current

    @property
    def problems(self) -> list[MapProblem]:
        """The maps that cannot be read now."""
        if self._current is not None:
            self.current  # noqa: B018  # looks at the files
        return list(self._problems.values())

    def _refresh(self) -> None:
        self._next = time.monotonic() + _EVERY
        read = {key: file.read() for key, file in self._files.items()}
        if all(read[key] is self._tried.get(key) for key in read):
            return
        self._tried = read
        options, problems = self._build(read)
        known, self._problems = self._problems, {problem.key: problem for problem in problems}
        for key, problem in self._problems.items():
            if known.get(key) != problem:
                log.error(
                    "map.unreadable", account=self._account, key=key, reason=problem.reason, remedy=problem.remedy
                )
        for key in known.keys() - self._problems.keys():
            log.info("map.read", account=self._account, key=key, entries=len(self._good[key].values))
        if options != self._current:
            self._current = options

    def _build(self, read: Mapping[str, Entries | MapError]) -> tuple[BaseModel, list[MapProblem]]:
        """Return the options with the maps that were read, the last good ones for the others, and the problems."""
        problems = {
            key: MapProblem(key, f"{self._files[key].name}: {result.reason}", result.remedy)
            for key, result in read.items()
            if isinstance(result, MapError)
        }
        candidates = {key: result for key, result in read.items() if isinstance(result, Entries)}
        while True:
            maps = {key: candidates.get(key) or self._good.get(key) or Entries() for key in read}
            try:
                options = self._options.model_validate(self._values | {key: maps[key].values for key in maps})
            except ValidationError as error:
                wrong = self._wrong_maps(error, candidates)
                if not wrong:
                    if self._current is None:
                        raise
                    return self._current, list(problems.values())
                problems |= wrong
                candidates = {key: entries for key, entries in candidates.items() if key not in wrong}
            else:
                self._good |= candidates
                return options, list(problems.values())

    def _wrong_maps(self, error: ValidationError, candidates: Mapping[str, Entries]) -> dict[str, MapProblem]:
        """Return the problem of each map whose values the options refuse, with the first line of each."""
        wrong: dict[str, MapProblem] = {}
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            key, *path = (str(part) for part in detail["loc"]) if detail["loc"] else ("",)
            if key not in candidates or key in wrong:
                continue
            line = candidates[key].lines.get(path[0]) if path else None
            place = f"line {line}: " if line else f"{path[0]}: " if path else ""
            reason = f"{self._files[key].name}: {place}{detail['msg'][:1].lower()}{detail['msg'][1:]}"
            wrong[key] = MapProblem(key, reason, "Correct it; the names of columns can be given: file:NAME#KEY,VALUE.")
        return wrong
