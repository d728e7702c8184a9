"""The receiver's OpenAPI document, and requests generated from it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from support.drawn import examples
from support.receiver import (
    SECRETS,
    Receiver,
    ordercloud_hash,
    running_receiver,
    signed_job,
    standard_headers,
    write_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, valkey: Any) -> Iterator[Receiver]:
    file = write_settings(tmp_path_factory.mktemp("openapi"), f"redis://127.0.0.1:{valkey.port}/0")
    with running_receiver(file) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def api(receiver: Receiver) -> Any:
    return schemathesis.openapi.from_url(f"{receiver.url}/openapi.json")


#: These checks need an exact schema. Ours also admits jobs for providers that the receiver refuses, and any content of
#: a webhook besides the id of the order.
UNFIT: list[Any] = [positive_data_acceptance, negative_data_rejection]


class Signing(requests.Session):
    """A session that authenticates every second request."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.answers: dict[int, int] = {}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        self.count += 1
        if self.count % 2:
            self._sign(request)
        response = super().send(request, **kwargs)
        self.answers[response.status_code] = self.answers.get(response.status_code, 0) + 1
        return response

    @staticmethod
    def _sign(request: requests.PreparedRequest) -> None:
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        path = str(request.path_url)
        if path.startswith("/hooks/oc"):
            request.headers.update(ordercloud_hash(body))
        elif path.startswith("/hooks/web"):
            request.headers.update(standard_headers(body.decode("utf-8", "replace")))
        elif path.startswith("/hooks/own") and body:
            request.prepare_body(json.dumps(signed_job(body.decode("utf-8", "replace"))), None)
        for name in ("crm", "boy"):
            if path.startswith(f"/hooks/{name}"):
                request.headers["Authorization"] = f"Bearer {SECRETS[f'HOOK_{name.upper()}']}"


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_response_is_one_that_the_document_describes(api: Any, mode: GenerationMode) -> None:
    session = Signing()
    for operation in (result.ok() for result in api.get_all_operations()):
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue  # has no parameter that could be invalid

        @settings(max_examples=examples(4, 12), deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check_case(case: Case[Any]) -> None:
            response = case.call_and_validate(session=session, excluded_checks=UNFIT)
            assert response.status_code < 500

        check_case()
    answers = session.answers
    assert answers[401] > 5, answers
    assert answers[202] > 5 or mode is GenerationMode.NEGATIVE, answers
    assert answers[400] > 5, answers
    session.close()


def test_the_document_names_each_producer(receiver: Receiver) -> None:
    began = time.monotonic()
    document = requests.get(f"{receiver.url}/openapi.json", timeout=5).json()
    assert {path for path in document["paths"] if path.startswith("/hooks")} == {
        *(f"/hooks/{name}" for name in ("oc", "crm", "boy", "web", "own")),
        *(f"/hooks/{name}/{{token}}" for name in ("crm", "boy")),
    }
    assert "$defs" not in json.dumps(document)
    assert not any(secret in json.dumps(document) for secret in SECRETS.values())
    assert time.monotonic() - began < 5
