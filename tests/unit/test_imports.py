"""Imports without garbage collection, and the memory that the processes of a pool share."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest
from celery import signals
from pydantic import BaseModel, ConfigDict

import worker.app  # noqa: F401  # connects the signals
from worker.process.imports import collection_paused

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _collector_restored() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(700, 10, 10)


def test_the_collector_is_paused_during_imports_and_runs_again_even_after_a_failed_one() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise ImportError

    with pytest.raises(ImportError), collection_paused():
        fail()
    assert gc.isenabled()


def test_a_collector_that_was_off_before_the_imports_stays_off() -> None:
    gc.disable()
    with collection_paused():
        pass
    assert not gc.isenabled()


def test_the_objects_that_a_worker_shares_with_its_pool_are_frozen_before_a_process_is_created() -> None:
    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)

    class Part(Late):
        number: int

    assert not Part.__pydantic_complete__
    gc.unfreeze()
    signals.worker_before_create_process.send(sender=None)
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == 10_000  # a page of orders is not examined many times
    assert Part.__pydantic_complete__
