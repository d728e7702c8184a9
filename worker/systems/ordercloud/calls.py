"""The calls to one OrderCloud account: under its token, with their refusals sorted."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from schemas import ordercloud_request as wire
from worker.errors import AuthFailed, IntakeError, Rejected, TargetDown, Unavailable, Uncertain
from worker.systems.bearer import Bearer
from worker.systems.parsing import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.http.client import Answer, Client

M = TypeVar("M", bound=BaseModel)
_FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
#: All by which it says no; 401 is for the bearer, 408 settles nothing, 429 is about the pace.
_REFUSALS: Final = frozenset(range(400, 500)) - {401, 408, 429}
#: "The API is down briefly for maintenance", "try again later": with which status stands nowhere.
_LATER: Final = frozenset({"Api.Offline", "Order.CacheBuilding"})
#: A person must look: the account, its roles, its permissions. They stop every order, not this one.
_ACCOUNT: Final = re.compile(r"(Auth|ApiClient)\..*|InsufficientRoles|InvalidToken|.*Permission")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class Refusal:
    """A no. Their texts may repeat what we sent, so only codes and field names go into `words`."""

    def __init__(self, answer: Answer) -> None:
        said: Any = {}
        refused = wire.Refused()
        with suppress(Uncertain, Unavailable, ValidationError):  # refused for certain, however it is said
            said = answer.json()
            refused = wire.Refused.model_validate(said)
        self.status, self._request = answer.status, answer.request
        self.codes = {each.error_code for each in refused.errors}
        #: What it is that is not there: "Product".
        self.missing = {str(each.data.get("ObjectType")) for each in refused.errors}
        self._fields: dict[str, object] = said if isinstance(said, dict) else {}
        words = [word for each in refused.errors for word in _words(each)]
        words.append(str(refused.error or ""))
        self.words = ", ".join(dict.fromkeys(word for word in words if _WORD.fullmatch(word))) or "no code"

    def __str__(self) -> str:
        return f"{self._request}: status {self.status}: {self.words}"

    def error(self) -> IntakeError:
        """What it means for the caller."""
        message = str(self)
        if self.codes & _LATER:
            return TargetDown(message, 30)
        if self.of_account:
            return AuthFailed(message)
        return Rejected(message, self._fields)

    @property
    def of_account(self) -> bool:
        """Whether it is about us, and not about what was sent."""
        return self.status == _FORBIDDEN or any(map(_ACCOUNT.fullmatch, self.codes))


class Calls:
    """One account's calls; `token_form` is what a token is asked for with ("Authentication", client credentials)."""

    def __init__(self, client: Client, token_form: Sequence[tuple[str, str]]) -> None:
        self._client, self._form = client, token_form
        self._bearer = Bearer(client, self._token)

    def read(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer | None:
        """GET; None where nothing is there (the token proves the url)."""
        answer = self._bearer.read(path, query, accept=_REFUSALS)
        if answer.status == NOT_FOUND:
            return None
        if answer.status in _REFUSALS:
            raise self.refused(Refusal(answer))
        return answer

    def write(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer | Refusal:
        """POST, PUT, PATCH or DELETE: what came of it; raises nothing for a no that is about what was sent."""
        answer = self._bearer.write(method, path, json=body, accept=_REFUSALS)
        if answer.status not in _REFUSALS:
            return answer
        refusal = Refusal(answer)
        if not isinstance(error := self.refused(refusal), Rejected):
            raise error
        return refusal

    def renew(self) -> None:
        """Ask for a new token."""
        self._bearer.renew()

    def refused(self, refusal: Refusal) -> IntakeError:
        """The error of a no; a token holds the roles of its first hour, so a new one is asked for next time."""
        if refusal.of_account:
            self._bearer = Bearer(self._client, self._token)
        return refusal.error()

    def _token(self) -> str:
        """A new token; asking for one changes nothing there, so an answer that is lost is as good as none."""
        accept = frozenset(range(300, 500)) - {408, 429}
        try:
            answer = self._client.write("POST", "/oauth/token", form=self._form, accept=accept)
            if answer.status in accept:
                refusal = Refusal(answer)
                error = refusal.error()
                raise error if isinstance(error, TargetDown) else AuthFailed(str(error))
            return parsed(wire.Token, answer).access_token
        except Uncertain as error:
            raise Unavailable(str(error)) from None


def parsed(model: type[M], answer: Answer, error: type[Unavailable | Uncertain] = Unavailable) -> M:
    """The body of an answer as `model`; raises `error` where it is none."""
    return parse(answer.request, lambda: model.model_validate(answer.json()), error)


def _words(refusal: wire.Refusal) -> list[str]:
    """The code, then what it is about: roles that would do, the kind of thing that is missing, or names of fields."""
    roles, kind = refusal.data.get("SufficientRoles"), refusal.data.get("ObjectType")
    about = roles if isinstance(roles, list) else [kind] if kind else sorted(refusal.data)
    return [refusal.error_code, *(word for word in about if isinstance(word, str))]
