"""The same work as people do it without Intake: a plain Celery app, one task for each order.

Acknowledged late, retried by `autoretry_for`, one Session in each process; the environment names BROKER and TARGET.
"""

from __future__ import annotations

import os
from typing import Any

import requests
from celery import Celery

app = Celery("plain", broker=os.environ["BROKER"])
app.conf.task_acks_late = True
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True

session = requests.Session()


def body_of(order: dict[str, Any]) -> dict[str, Any]:
    """The target's shape of a normalized order."""
    address = order.get("shipping_address", {})
    return {
        "external_id": order["external_id"],
        "source": order["provider"],
        "total": float(order["totals"]["grand"]),
        "shipping_cost": float(order["totals"].get("shipping") or 0),
        "email": order.get("customer", {}).get("email"),
        "shipping_address": {
            "first_name": address.get("first_name"),
            "last_name": address.get("last_name"),
            "address1": address.get("street1"),
            "postcode": address.get("postal_code"),
            "city": address.get("city"),
            "country": address.get("country"),
            "phone": address.get("phone"),
        },
        "products": [
            {
                "external_id": line.get("id"),
                "name": line["name"],
                "reference": line.get("sku"),
                "quantity": float(line["quantity"]),
                "price": float(line["unit_price"]),
            }
            for line in order["lines"]
        ],
    }


@app.task(autoretry_for=(requests.RequestException,), retry_backoff=True, max_retries=10)
def create(order: dict[str, Any]) -> None:
    """Create one order in the target."""
    url = os.environ["TARGET"] + "/api/v1/orders"
    headers = {"api-key": "key", "account-id": "account", "Accept": "application/json"}
    response = session.post(url, json=body_of(order), headers=headers, timeout=30)
    response.raise_for_status()
