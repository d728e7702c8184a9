"""The machinery that carries orders from providers to targets."""

from worker.process.imports import spare_optional_imports

spare_optional_imports()
