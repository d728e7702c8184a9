"""Import less and import it faster: nearly all of the processor time of a start is imports."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Modules that a library imports if they are there, each with the library. Intake has no use for either of them:
#: metrics that redis-py counts, tracebacks that structlog renders (our log has its own), an output of Celery with
#: colours, messages in YAML.
_OPTIONAL: Final = {
    "opentelemetry": "redis",
    "rich": "structlog",
    "rich.pretty": "structlog",
    "rich.traceback": "structlog",
    "pygments": "celery.bin.base",
    "yaml": "kombu.serialization",
}


class _Finder:
    """Refuse an optional module, as if it were not installed, while its library is being imported."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG004  # Python's signature
        library = sys.modules.get(_OPTIONAL.get(name, ""))
        if library is not None and getattr(library.__spec__, "_initializing", False):
            raise ModuleNotFoundError(f"{name} is not needed", name=name)
        return None


def spare_optional_imports() -> None:
    """Refuse the optional modules from now on; call it before any library is imported."""
    sys.meta_path.insert(0, _Finder)


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the garbage collector for imports: what a module defines is no garbage, and is examined again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
