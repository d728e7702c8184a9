"""The models of pydantic: each is built when it is first used, or all at once before a process is forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator


def complete_models() -> None:
    """Build the models that were imported so far: the processes that are forked from this one share them."""
    for model in list(_below(BaseModel)):
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _below(child)
