"""Reads of one OrderCloud account with its token; refusals are sorted by the code in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import ordercloud as wire
from worker.errors import AuthFailed, IntakeError, Misdirected, Rejected, TargetDown, Unavailable, Uncertain
from worker.http.refusals import ELSEWHERE
from worker.systems.bearer import Bearer
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.http.client import Answer, Client

M = TypeVar("M", bound=BaseModel)
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_REFUSED: Final = 400
#: The statuses of the codes are not documented: these statuses alone do not decide, so the code is read.
_WITH_CODE: Final = frozenset(range(_REFUSED, _SERVER_ERROR + 1)) - {401, 407, 408, 425, 429} - (ELSEWHERE - {404})
#: Seconds to wait: the documents name "seconds" for the first code, and "later" for the second.
_AWAY: Final[Mapping[str, float]] = {"Api.Offline": 5.0, "Order.CacheBuilding": 60.0}


class TooMany(Rejected):
    """Raised when a search finds more than the server returns (100,000)."""

    code = "too_many"


class Account:
    """One account (documentation: "Authentication" and "Conventions").

    Args:
        client: Calls the address of the API.
        auth: Calls the address that issues tokens, which may be another.
        credentials: The form of a token request: `client_id`, `client_secret` and `scope`.
    """

    def __init__(self, client: Client, auth: Client, credentials: Mapping[str, str]) -> None:
        self._auth, self._credentials = auth, credentials
        self._bearer = Bearer(client, self._token)
        self._refresh: str | None = None

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """Read a path."""
        answer = self._bearer.read(path, query, accept=_WITH_CODE)
        if answer.status >= _REFUSED:
            raise _refusal(answer)
        return answer

    def find(self, path: str) -> Answer | None:
        """Read a path that may not exist. Return None if the body confirms that: another 404 means a wrong url."""
        answer = self._bearer.read(path, accept=_WITH_CODE)
        if answer.status == _NOT_FOUND and _code(answer) == "NotFound":
            return None
        if answer.status >= _REFUSED:
            raise _refusal(answer)
        return answer

    def _token(self) -> str:
        """Return a new token, by the refresh token of the last one if that is still valid."""
        refresh, self._refresh = self._refresh, None
        if refresh:
            form = {"client_id": self._credentials["client_id"], "refresh_token": refresh}
            answer = self._request_token("refresh_token", form)
            if answer.status < _REFUSED:
                return self._remember(answer)
        answer = self._request_token("client_credentials", self._credentials)
        if answer.status >= _REFUSED:
            error = _refusal(answer)
            raise AuthFailed(str(error)) if isinstance(error, Rejected) else error
        return self._remember(answer)

    def _request_token(self, grant: str, form: Mapping[str, str]) -> Answer:
        """Request a token. The request changes nothing, so a lost answer is a failed read."""
        fields = [("grant_type", grant), *form.items()]
        try:
            return self._auth.write("POST", "/oauth/token", form=fields, accept=_WITH_CODE | {401})
        except Uncertain as error:
            raise Unavailable(str(error)) from None

    def _remember(self, answer: Answer) -> str:
        try:
            token = parsed(wire.Token, answer)
        except Uncertain as error:
            raise Unavailable(str(error)) from None
        self._refresh = token.refresh_token
        return token.access_token


def parsed(model: type[M], answer: Answer) -> M:
    """Return the body of an answer as `model`. Raises Unavailable if it cannot be read."""
    return parse(answer.request, lambda: model.model_validate(answer.json()), Unavailable)


def _code(answer: Answer) -> str | None:
    """Return the code of an error; None if the body is not as documented."""
    try:
        body: Any = answer.json()
        return wire.Faults.model_validate(body).errors[0].error_code
    except (ValidationError, Unavailable, Uncertain):
        return None


def _refusal(answer: Answer) -> IntakeError:
    status, code = answer.status, _code(answer)
    message = f"{answer.request}: status {status}, {code or 'no code'}"
    if code is not None and code in _AWAY:
        return TargetDown(message, _AWAY[code])
    if code == "Search.ResultSetTooLarge":
        return TooMany(message)
    if status in {401, 403}:
        return AuthFailed(message)
    if status == _NOT_FOUND and code != "NotFound":
        return Misdirected(f"{message}: no OrderCloud is there, the url is probably wrong")
    if status in {_NOT_FOUND, _SERVER_ERROR}:
        return Unavailable(message)
    return Rejected(message)
