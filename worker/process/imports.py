"""Import less and import it faster: nearly all of the processor time of a start is imports."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


#: Packages that a library imports, each with the library. They run when something of them is used after that. Nobody
#: here uses the asynchronous half of redis-py.
_DEFERRED: Final = {"redis.asyncio": "redis"}
#: The switch of pydantic for its plug-ins. It would read the metadata of every installed package to find them.
_NO_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"


class _Finder:
    """Refuse an optional module, as if it were not installed, while its library is being imported; defer others."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name in _DEFERRED:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None and _is_imported_by(_DEFERRED[name]):
                deferred: Any = _Deferred(spec.loader, spec.submodule_search_locations or [])
                return ModuleSpec(name, deferred, origin=spec.origin)
            return spec
        if _is_imported_by(_OPTIONAL.get(name, "")):
            raise ModuleNotFoundError(f"{name} is not needed", name=name)
        return None


def _is_imported_by(library: str) -> bool:
    """Return whether this library is being imported."""
    module = sys.modules.get(library)
    return module is not None and getattr(module.__spec__, "_initializing", False)


class _Deferred:
    """Run a package when it is used first: an attribute is read, or a module of it is imported by anybody else."""

    def __init__(self, loader: Any, path: Sequence[str]) -> None:
        self._loader, self._path, self._lock, self._began = loader, path, threading.RLock(), False

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG004  # Python's signature
        """Let Python create the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Let the package run later."""

        def read(name: str) -> Any:
            if name == "__path__" and _is_imported_by(_DEFERRED[module.__name__]):
                return self._path
            with self._lock:
                if not self._began and (name == "__path__" or not name.startswith("__")):
                    self._began = True
                    module.__path__ = self._path  # type: ignore[assignment]  # a list, as every package has
                    self._loader.exec_module(module)
                    del vars(module)["__getattr__"]
            if name in vars(module):
                return vars(module)[name]
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        vars(module)["__getattr__"] = read


def spare_optional_imports() -> None:
    """Refuse and defer modules from now on; call it before any library is imported."""
    sys.meta_path.insert(0, _Finder)
    os.environ.setdefault(_NO_PLUGINS, "__all__")


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
