"""The settings for commands that show or steer what runs: those of the processes, whatever is in the file now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ConfigError
from worker.process.environment import environment
from worker.process.liveness_file import liveness_folder, read_liveness
from worker.runtime import read_settings
from worker.settings.in_use import copy_of, find_copy

if TYPE_CHECKING:
    from worker.settings.load import Settings


def read_settings_in_use() -> Settings:
    """Return the settings with which the processes of this host run; if there are none, those of the file.

    They need no secrets. A file that is being edited and cannot be used is no error while a copy of it is in use:
    `file_problem` says why. Raise ConfigError if there is no copy.
    """
    try:
        settings = read_settings(offline=True)
    except ConfigError as error:
        copy = find_copy(Path(error.file), environment())
        if copy is None:
            raise
        try:
            in_use = read_settings(offline=True, copy=copy)
        except ConfigError:
            raise error from None
        return in_use.model_copy(update={"file_problem": f"{error.key}: {error.reason}"})
    copy = copy_of(settings.data_dir)
    try:
        if copy.read_bytes().decode("utf-8") == settings.text:
            return settings
    except (OSError, UnicodeDecodeError):
        return settings
    if not any(read_liveness(liveness_folder(settings.data_dir))):
        return settings
    try:
        in_use = read_settings(offline=True, copy=copy)
    except ConfigError:
        return settings
    return in_use.model_copy(update={"file_fingerprint": settings.fingerprint})
