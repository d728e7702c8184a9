"""Parts of an `intake.toml`, and the file that a test builds from them."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from worker.runtime import Runtime, process_settings, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: An address where nothing listens.
NOWHERE = "http://127.0.0.1:9"
NO_REDIS = "redis://127.0.0.1:9/0"
#: A start before all orders of the simulated systems.
EVERYTHING = "2020-01-01"
#: The key of every account, set in the environment.
SECRET_KEY = "s3cret-key"
_KEY = {"api_key": "env:TEST_KEY"}
_ACCOUNT = {"account_id": "env:TEST_ACCOUNT"}


def table(header: str, **options: Any) -> str:
    """Return a table of TOML; an option that is a dictionary becomes a table below it. A provider starts early."""
    if re.fullmatch(r"providers\.[^.]+", header):
        options = {"start": EVERYTHING} | options
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items() if not isinstance(value, dict)]
    below = [table(f"{header}.{name}", **value) for name, value in options.items() if isinstance(value, dict)]
    return "\n".join([f"[{header}]", *lines, *below, ""])


def retailcrm(header: str, url: str = NOWHERE, **options: Any) -> str:
    """Return the settings of an account of RetailCRM: `retailcrm("providers.shop")`."""
    return table(header, kind="retailcrm", url=url, **_KEY, **options)


def dropday(header: str, url: str = NOWHERE, **options: Any) -> str:
    """Return the settings of an account of Dropday."""
    return table(header, kind="dropday", url=url, **_KEY, **_ACCOUNT, **options)


def dropboy(header: str, url: str = NOWHERE, **options: Any) -> str:
    """Return the settings of an account of Dropboy; a target has an origin address."""
    origin = {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus"}
    more = {"origin": origin} if header.startswith("targets.") else {}
    return table(header, kind="dropboy", url=url, **_KEY, **options, **more)


def ordercloud(header: str, url: str = NOWHERE, **options: Any) -> str:
    """Return the settings of an account of OrderCloud; a target has a buyer and a user that own its orders."""
    importer = {"buyer_id": "storefront", "user_id": "importer", "products": "sku"}
    more = importer if header.startswith("targets.") else {}
    credentials = {"client_id": "env:TEST_ACCOUNT", "client_secret": "env:TEST_KEY"}
    return table(header, kind="ordercloud", url=url, **credentials, **more, **options)


def route(source: str, *targets: str, reference: str = "") -> str:
    """Return a route, which creates every order of the simulated systems, whatever its status is."""
    every = {"also_create": ["cancelled", "returned", "excluded", "on_hold", "test"]}
    named = {"from": source, "to": targets} | ({"reference": reference} if reference else {})
    return table("[routes]", **named, **every)


SHOP_TO_DROPDAY = retailcrm("providers.shop") + dropday("targets.dropday") + route("shop", "dropday")
#: A reference that is unique across providers.
BY_PROVIDER = "{provider}:{external_id}"


class Configured:
    """The `intake.toml` of a test, named in the environment, and the runtimes that read it."""

    def __init__(self, home: Path, redis_url: str, environment: pytest.MonkeyPatch) -> None:
        self.file, self._redis_url, self._environment = home / "intake.toml", redis_url, environment
        self._opened = ExitStack()
        environment.setenv("INTAKE_CONFIG", str(self.file))
        environment.setenv("COLUMNS", "200")
        self.credentials()

    def credentials(self, key: str = SECRET_KEY, account: str = SECRET_KEY) -> Self:
        """Set the key and the account id of every account in the environment."""
        self._environment.setenv("TEST_KEY", key)
        self._environment.setenv("TEST_ACCOUNT", account)
        return self

    def write(self, settings: str = SHOP_TO_DROPDAY, *, redis_url: str = "") -> Path:
        """Write the settings after the table of Redis. With `NO_REDIS`, a command gives up sooner than in operation."""
        if redis_url == NO_REDIS:
            self._environment.setattr("worker.store.redis.connection.LONG", 0.5)
        self.file.write_text(table("redis", url=redis_url or self._redis_url) + settings)
        process_settings.cache_clear()
        return self.file

    def open(self, settings: str = SHOP_TO_DROPDAY) -> Runtime:
        """Write the settings and return their runtime, which is closed after the test."""
        return self._opened.enter_context(Runtime(read_settings(self.write(settings))))

    def close(self) -> None:
        self._opened.close()
