"""Reads of one OrderCloud account: under its token, their refusals sorted by the code in the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import ordercloud as wire
from worker.errors import AuthFailed, IntakeError, Rejected, TargetDown, Unavailable, Uncertain
from worker.systems.bearer import Bearer
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worker.http.client import Answer, Client

M = TypeVar("M", bound=BaseModel)
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_REFUSED: Final = 400
#: Which status carries which code stands nowhere: the code is looked at wherever the status does not say it all.
_LOOKED_INTO: Final = frozenset(range(_REFUSED, _SERVER_ERROR + 1)) - {401, 407, 408, 425, 429}
#: Seconds to wait: they say "in seconds" of the one, and "later" of the other.
_AWAY: Final[Mapping[str, float]] = {"Api.Offline": 5.0, "Order.CacheBuilding": 60.0}


class TooMany(Rejected):
    """More is found than they give at once (100,000)."""

    code = "too_many"


class Account:
    """The pages of the documentation are "Authentication" and "Conventions".

    Args:
        client: The API's own address.
        auth: Where tokens are given, which may be another.
        credentials: What a token is asked for with: `client_id`, `client_secret` and `scope`.
    """

    def __init__(self, client: Client, auth: Client, credentials: Mapping[str, str]) -> None:
        self._auth, self._credentials = auth, credentials
        self._bearer = Bearer(client, self._token)
        self._refresh: str | None = None

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """One read."""
        answer = self._bearer.read(path, query, accept=_LOOKED_INTO)
        if answer.status >= _REFUSED:
            raise _refusal(answer)
        return answer

    def find(self, path: str) -> Answer | None:
        """One read of what may not be there: None if they say that it is not. A bare 404 is a wrong url's."""
        answer = self._bearer.read(path, accept=_LOOKED_INTO)
        if answer.status == _NOT_FOUND and _code(answer) == "NotFound":
            return None
        if answer.status >= _REFUSED:
            raise _refusal(answer)
        return answer

    def _token(self) -> str:
        """A new token, by the refresh token of the last one if there is one that is still good."""
        refresh, self._refresh = self._refresh, None
        if refresh:
            form = {"client_id": self._credentials["client_id"], "refresh_token": refresh}
            answer = self._ask("refresh_token", form)
            if answer.status < _REFUSED:
                return self._taken(answer)
        answer = self._ask("client_credentials", self._credentials)
        if answer.status >= _REFUSED:
            error = _refusal(answer)
            raise AuthFailed(str(error)) if isinstance(error, Rejected) else error
        return self._taken(answer)

    def _ask(self, grant: str, form: Mapping[str, str]) -> Answer:
        """Ask for a token, which changes nothing there: an answer that is lost is as good as none."""
        fields = [("grant_type", grant), *form.items()]
        try:
            return self._auth.write("POST", "/oauth/token", form=fields, accept=_LOOKED_INTO | {401})
        except Uncertain as error:
            raise Unavailable(str(error)) from None

    def _taken(self, answer: Answer) -> str:
        try:
            token = parsed(wire.Token, answer)
        except Uncertain as error:
            raise Unavailable(str(error)) from None
        self._refresh = token.refresh_token
        return token.access_token


def parsed(model: type[M], answer: Answer) -> M:
    """The whole answer; if it cannot be read it is as good as none."""
    return parse(answer.request, lambda: model.model_validate(answer.json()), Unavailable)


def _code(answer: Answer) -> str | None:
    """What they call the error, if they say so as documented."""
    try:
        said: Any = answer.json()
        return wire.Faults.model_validate(said).errors[0].error_code
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
        return AuthFailed(f"{message}: no OrderCloud is there, the url is probably wrong")
    if status in {_NOT_FOUND, _SERVER_ERROR}:
        return Unavailable(message)
    return Rejected(message)
