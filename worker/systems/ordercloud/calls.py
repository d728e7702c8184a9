"""The calls to one OrderCloud account with its token; refusals are sorted."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import ordercloud_answer as wire
from worker.errors import AuthFailed, IntakeError, Misdirected, Rejected, TargetDown, Unavailable, Uncertain
from worker.http.refusals import ELSEWHERE
from worker.systems.bearer import Bearer
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.http.client import Answer, Client

M = TypeVar("M", bound=BaseModel)
_FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
#: The statuses of a refusal. 401 is handled by the bearer, 408 settles nothing, 429 concerns the limit.
_REFUSALS: Final = frozenset(range(400, 500)) - {401, 408, 429} - (ELSEWHERE - {NOT_FOUND})
#: "The API is down briefly for maintenance", "try again later": the statuses are not documented.
_LATER: Final = frozenset({"Api.Offline", "Order.CacheBuilding"})
#: Problems of the account, its roles or permissions: they stop every order, and a person has to solve them.
_ACCOUNT: Final = re.compile(r"(Auth|ApiClient)\..*|InsufficientRoles|InvalidToken|.*Permission")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class Refusal:
    """A refusal. Its texts may repeat what we sent, so `summary` has only codes and names of fields."""

    def __init__(self, answer: Answer) -> None:
        body: Any = {}
        refused = wire.Refused()
        with suppress(Uncertain, Unavailable, ValidationError):  # it is a refusal, even if it cannot be read
            body = answer.json()
            refused = wire.Refused.model_validate(body)
        self.status, self._request = answer.status, answer.request
        self.codes = {each.error_code for each in refused.errors}
        #: The kinds of objects that do not exist: "Product".
        self.missing = {str(each.data.get("ObjectType")) for each in refused.errors}
        self._fields: dict[str, object] = body if isinstance(body, dict) else {}
        names = [name for each in refused.errors for name in _names(each)]
        names.append(str(refused.error or ""))
        self.summary = ", ".join(dict.fromkeys(name for name in names if _NAME.fullmatch(name))) or "no code"

    def __str__(self) -> str:
        return f"{self._request}: status {self.status}: {self.summary}"

    def error(self) -> IntakeError:
        """Return the error to raise."""
        message = str(self)
        if self.codes & _LATER:
            return TargetDown(message, 30)
        if self.of_account:
            return AuthFailed(message)
        if self.status == NOT_FOUND and not self.codes:
            return Misdirected(f"{message}: no OrderCloud is there, the url is probably wrong")
        return Rejected(message, self._fields)

    @property
    def of_account(self) -> bool:
        """Whether it concerns the account, rather than what was sent."""
        return self.status == _FORBIDDEN or any(map(_ACCOUNT.fullmatch, self.codes))


class Calls:
    """The calls of one account; `token_form` is the form of a token request ("Authentication", client credentials)."""

    def __init__(self, client: Client, token_form: Sequence[tuple[str, str]]) -> None:
        self._client, self._form = client, token_form
        self._bearer = Bearer(client, self._token)
        self._granted: frozenset[str] = frozenset()

    def read(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer | None:
        """Send a GET. Return None if OrderCloud itself answers that the path does not exist."""
        answer = self._bearer.read(path, query, accept=_REFUSALS)
        if answer.status not in _REFUSALS:
            return answer
        refusal = Refusal(answer)
        if refusal.status == NOT_FOUND and refusal.codes:
            return None
        raise self.error_of(refusal)

    def write(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer | Refusal:
        """Send a POST, PUT, PATCH or DELETE. Return a refusal that concerns what was sent; raise any other."""
        answer = self._bearer.write(method, path, json=body, accept=_REFUSALS)
        if answer.status not in _REFUSALS:
            return answer
        refusal = Refusal(answer)
        if not isinstance(error := self.error_of(refusal), Rejected):
            raise error
        return refusal

    def renew(self) -> None:
        """Request a new token."""
        self._bearer.renew()

    def is_missing(self, path: str) -> bool:
        """Return whether a path certainly does not exist. A client that may not read it does not know."""
        answer = self._bearer.read(path, accept=_REFUSALS)
        return answer.status == NOT_FOUND and bool(Refusal(answer).codes)

    def lacks(self, roles: Sequence[str]) -> list[str]:
        """Return those of the roles that the last token does not have: none if it does not name its roles."""
        granted = self._granted
        return [] if not granted or "FullAccess" in granted else [role for role in roles if role not in granted]

    def error_of(self, refusal: Refusal) -> IntakeError:
        """Return the error of a refusal. After one of the account the next call requests a token with current roles."""
        if refusal.of_account:
            self._bearer = Bearer(self._client, self._token)
        return refusal.error()

    def _token(self) -> str:
        """Return a new token. The request changes nothing, so a lost answer is a failed read."""
        accept = frozenset(range(400, 500)) - {408, 429} - ELSEWHERE
        try:
            answer = self._client.write("POST", "/oauth/token", form=self._form, accept=accept)
            if answer.status in accept:
                refusal = Refusal(answer)
                error = refusal.error()
                raise error if isinstance(error, TargetDown) else AuthFailed(str(error))
            token = parsed(wire.Token, answer).access_token
        except Uncertain as error:
            raise Unavailable(str(error)) from None
        self._granted = _roles(token)
        return token


def parsed(model: type[M], answer: Answer, error: type[Unavailable | Uncertain] = Unavailable) -> M:
    """Return the body of an answer as `model`. Raises `error` if it cannot be read."""
    return parse(answer.request, lambda: model.model_validate(answer.json()), error)


def _roles(token: str) -> frozenset[str]:
    """Return the roles that a token (JWT) names; none if it names none or cannot be read."""
    _, _, rest = token.partition(".")
    payload = rest.partition(".")[0]
    with suppress(ValueError, AttributeError):
        roles = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("role")
        return frozenset([roles] if isinstance(roles, str) else roles or [])
    return frozenset()


def _names(refusal: wire.Refusal) -> list[str]:
    """Return the code, then the roles that would suffice, the kind of object that is missing, or names of fields."""
    roles, kind = refusal.data.get("SufficientRoles"), refusal.data.get("ObjectType")
    about = roles if isinstance(roles, list) else [kind] if kind else sorted(refusal.data)
    return [refusal.error_code, *(name for name in about if isinstance(name, str))]
