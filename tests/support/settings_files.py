"""Settings files for tests, and the two adapter kinds that they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from worker.settings.document import ConfigErrors
from worker.settings.load import Settings, load
from worker.settings.needs import EVERYTHING, Needs
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from pathlib import Path


class CrmOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    api_key: SecretStr
    sites: tuple[str, ...] = ()
    page_size: int = Field(default=100, ge=20, le=100)


class Crm:
    Options: ClassVar[type[BaseModel]] = CrmOptions
    default_url: ClassVar[str | None] = None
    default_limit: ClassVar[str] = "8/s"
    documented_limit: ClassVar[str | None] = "10/s"
    limit_per_address: ClassVar[bool] = True
    identified_by: ClassVar[tuple[str, ...]] = ()
    default_poll_every: ClassVar[float] = 60.0
    reference_field: ClassVar[str | None] = None
    source_id_within: ClassVar[str | None] = None


class Shop(Crm):
    documented_limit = None
    limit_per_address = False
    default_url = "https://api.shop.example"


ENV = {"KEY": "k-123456", "EMPTY": " "}
GOOD = """
[providers.shop-nl]
start = "2020-01-01"
kind = "crm"
url = "https://shop-nl.crm.example/"
api_key = "env:KEY"

[targets.store]
kind = "shop"
api_key = "env:KEY"

[[routes]]
from = "shop-nl"
to = ["store"]
"""
SECOND = """
[providers.shop]
start = "2020-01-01"
kind = "shop"
api_key = "env:KEY"

[[routes]]
from = "shop"
to = ["store"]
"""


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None, needs: Needs = EVERYTHING) -> Settings:
    file = tmp_path / "intake.toml"
    file.write_text(text)
    environ, kinds = ENV if environ is None else environ, {"crm": Crm, "shop": Shop}
    return load(file, environ, kinds, {"shop": Shop}, webhook_kinds(), needs=needs)


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigErrors) as refused:
        read(tmp_path, text, environ)
    prefix = f"{tmp_path / 'intake.toml'}: "
    lines = str(refused.value).splitlines()
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]
