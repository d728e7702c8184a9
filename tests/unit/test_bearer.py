"""The token of several threads: one of them requests it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from worker.http.client import Answer
from worker.systems.bearer import Bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

THREADS = 6


class Api:
    """An API that accepts only the newest token, and holds the first calls until all threads have sent one."""

    def __init__(self) -> None:
        self.tokens = 1
        self.barrier = threading.Barrier(THREADS)
        self.lock = threading.Lock()

    def token(self) -> str:
        with self.lock:
            self.tokens += 1
            return str(self.tokens)

    def read(self, _path: str, _query: object, *, headers: Mapping[str, str], accept: object) -> Answer:
        if headers["Authorization"] == "Bearer 2":
            self.barrier.wait(10)
            return Answer(401, {}, b"")
        return Answer(200 if headers["Authorization"] == "Bearer 3" else 401, {}, b"")


def test_threads_whose_token_is_refused_request_one_new_token() -> None:
    api = Api()
    client: Any = api
    bearer = Bearer(client, api.token)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(bearer.read("/").status)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [200] * THREADS
    assert api.tokens == 3, "one token at first, and one after it was refused"
