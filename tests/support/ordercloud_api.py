"""A client of the simulated OrderCloud that uses only `requests`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import requests

from support.sandbox import Sandbox

BUYER = {"FromCompanyID": "storefront", "FromUserID": "buyer"}
HOME = {"Street1": "Jumpstreet 23", "City": "LA", "Country": "US", "FirstName": "Zoë", "State": "CA", "Zip": "90001"}


def grant(box: Sandbox, account: str = "main", **form: str) -> requests.Response:
    default = {"grant_type": "client_credentials", "client_id": Sandbox.ACCOUNT_ID, "client_secret": Sandbox.KEY}
    return requests.post(f"{box.url('ordercloud', account)}/oauth/token", data=default | form, timeout=20)


class Api:
    """A client of one account with one token."""

    def __init__(self, box: Sandbox, account: str = "main", token: str | None = None) -> None:
        self.base = f"{box.url('ordercloud', account)}/v1"
        self.token = grant(box, account).json()["access_token"] if token is None else token

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.base}/{path}"
        response = requests.request(method, url, json=body, params=params, headers=headers, timeout=20)
        return response.status_code, json.loads(response.content, parse_float=Decimal) if response.content else None

    def list(self, direction: str = "Incoming", **params: Any) -> Any:
        status, page = self("GET", f"orders/{direction}", **params)
        assert status == 200, page
        return page["Items"]

    def put_order(self, key: str, lines: int = 1, **fields: Any) -> None:
        assert self("PUT", f"orders/incoming/{key}", {**BUYER, **fields})[0] in {200, 201}
        for n in range(lines):
            line = {"ProductID": "SKU-1", "Quantity": 2, "UnitPrice": 1.1}
            assert self("PUT", f"orders/incoming/{key}/lineitems/L{n}", line)[0] in {200, 201}

    def submitted(self, key: str, **fields: Any) -> Any:
        self.put_order(key, **fields)
        status, order = self("POST", f"orders/incoming/{key}/submit")
        assert status == 201
        return order


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["ID"] for row in rows]


def code(response: tuple[int, Any]) -> tuple[int, str]:
    return response[0], response[1]["Errors"][0]["ErrorCode"]
