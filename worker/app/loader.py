"""The loader of Celery, which imports our tasks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery.loaders.app import AppLoader

if TYPE_CHECKING:
    from types import ModuleType


class InstalledLoader(AppLoader):
    """Import what is installed: Celery would look into the working directory first, where others have a tasks.py."""

    def import_from_cwd(self, module: str, imp: Any = None, package: str | None = None) -> ModuleType:  # noqa: ARG002  # Celery's signature
        """Import the module as any other module is imported."""
        return import_module(module, package)
