"""The third-party Python client for OrderCloud, connected to the simulated OrderCloud."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from ordercloud import OrderCloudClient, OrderCloudConfig
from ordercloud.errors import AuthenticationError, OrderCloudError
from ordercloud.models.misc import OrderDirection
from ordercloud.models.order import Order

from support.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = TypeVar("Result")
INCOMING = OrderDirection.Incoming


def by(
    box: Sandbox, work: Callable[[OrderCloudClient], Awaitable[Result]], account: str = "main", **config: Any
) -> Result:
    """Run `work` with the Python client and return its result."""
    base = box.url("ordercloud", account)
    credentials = {"client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY} | config
    settings = OrderCloudConfig(base_url=f"{base}/v1", auth_url=f"{base}/oauth/token", **credentials)

    async def run() -> Result:
        async with OrderCloudClient(settings) as client:
            return await work(client)

    # A proxy does not reach loopback, and the client reads the proxies of the environment.
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        return asyncio.run(run())


def an_order(key: str) -> Order[Any]:
    return Order(id=key, from_company_id="storefront", from_user_id="buyer", shipping_cost=4.95, xp={"shop": "a"})


async def error(call: Awaitable[object]) -> tuple[int, str, Any]:
    with pytest.raises(OrderCloudError) as caught:
        await call
    failure = caught.value
    assert isinstance(failure, AuthenticationError) == (failure.status_code in {401, 403})
    return failure.status_code, failure.errors[0].error_code, failure.errors[0].data
