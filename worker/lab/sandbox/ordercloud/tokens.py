"""OrderCloud's token endpoint: what it hands out, to whom, and how it refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox import spec
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNED_WITH: Final = b"sandbox"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Token:
    """One that was handed out; its end in seconds since 1970."""

    ends: float
    client: str
    roles: tuple[str, ...]
    #: How many calls it is still good for, or None.
    uses: int | None


class OauthError(RefusedError):
    """A refused token, told in the style of OAuth and in that of the API at once."""

    def __init__(self, status: int, error: str, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self._error = error

    def body(self) -> bytes:
        """`{"error", "error_description", "Errors": [...]}`."""
        errors = [{"ErrorCode": self.code, "Message": self.message, "Data": self.data}]
        return dump({"error": self._error, "error_description": self.message, "Errors": errors})


class Tokens:
    """The tokens of one API client.

    Options: `client`, `key` (its secret), `user`, `password`, `roles` (joined by +), `token_life`, `token_uses`
    (calls after which a token is revoked; 0: none), `refresh_life` (0: there are no refresh tokens; all in seconds),
    `oauth_refusal` (the status of a refused token, which no document tells: 400, 401).
    """

    def __init__(self, options: dict[str, str]) -> None:
        self.client, self.secret = options.pop("client", "sandbox-account"), options.pop("key", "sandbox-key")
        self.user, self.password = options.pop("user", "sandbox-user"), options.pop("password", "sandbox-password")
        self.roles = tuple(options.pop("roles", "FullAccess").split("+"))
        self.life = float(options.pop("token_life", "36000"))
        self.uses = int(options.pop("token_uses", "0")) or None
        self.refresh_life = float(options.pop("refresh_life", "0"))
        self._refusal = int(spec.choice(options, "oauth_refusal", "400", "401"))
        self._given: dict[str, Token] = {}
        self._revoked: set[str] = set()
        self._refresh: dict[str, tuple[float, tuple[str, ...]]] = {}

    def answer(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Hand out a token. Raises OauthError."""
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() != _FORM:
            raise OauthError(400, "invalid_request", "Request.InvalidContentType", f"Content-Type must be {_FORM}.")
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("client_id") != self.client:
            raise self._refused("invalid_client", "ApiClient.InvalidClientID", "Invalid Client ID.")
        match form.get("grant_type"):
            case "client_credentials":
                if form.get("client_secret") != self.secret:
                    raise self._refused("invalid_client", "Auth.OauthError", "Invalid client secret.")
            case "password":
                if "client_secret" in form and form["client_secret"] != self.secret:
                    raise self._refused("invalid_client", "Auth.OauthError", "Invalid client secret.")
                if (form.get("username"), form.get("password")) != (self.user, self.password):
                    code = "Auth.InvalidUsernameOrPassword"
                    raise self._refused("invalid_grant", code, "Invalid username or password.")
            case "refresh_token":
                return self._refreshed(form.get("refresh_token", ""))
            case _:
                raise OauthError(400, "unsupported_grant_type", "Auth.OauthError", "This grant type is not supported.")
        asked = form.get("scope", "").split()
        return self._reply(tuple(role for role in self.roles if role in asked) or self.roles)

    def check(self, header: str) -> Token:
        """The token of a call. Raises RefusedError: its code is known for a revoked one alone."""
        scheme, _, text = header.partition(" ")
        if text in self._revoked:
            message = "The provided token has been revoked. Please re-authenticate."
            raise RefusedError(401, "Auth.TokenRevoked", message)
        token = self._given.get(text)
        if scheme.lower() != "bearer" or token is None or token.ends <= time.time():
            raise RefusedError(401, "InvalidToken", "Access token is invalid or expired.")
        if token.uses is not None:
            token.uses -= 1
            if token.uses == 0:
                self._revoke(text)
        return token

    def revoke(self) -> None:
        """Revoke every token that was handed out."""
        for text in list(self._given):
            self._revoke(text)

    def _revoke(self, text: str) -> None:
        del self._given[text]
        self._revoked.add(text)

    def _refused(self, error: str, code: str, message: str) -> OauthError:
        return OauthError(self._refusal, error, code, message)

    def _refreshed(self, text: str) -> bytes:
        ends, roles = self._refresh.pop(text, (0.0, ()))
        if ends <= time.time():
            raise self._refused("invalid_grant", "Auth.OauthError", "Invalid refresh token.")
        return self._reply(roles)

    def _reply(self, roles: tuple[str, ...]) -> bytes:
        now = time.time()
        claims: dict[str, Any] = {
            "usr": self.user, "cid": self.client, "usrtype": "admin", "role": roles, "iss": "sandbox", "aud": "sandbox",
            "exp": int(now + self.life), "nbf": int(now), "jti": str(uuid.uuid4()),
        }  # fmt: skip
        head = b".".join(_base64(dump(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        text = (head + b"." + _base64(hmac.digest(_SIGNED_WITH, head, hashlib.sha256))).decode()
        self._given[text] = Token(now + self.life, self.client, roles, self.uses)
        reply = {"access_token": text, "token_type": "bearer", "expires_in": int(self.life)}
        if self.refresh_life > 0:
            again = str(uuid.uuid4())
            self._refresh[again] = (now + self.refresh_life, roles)
            reply["refresh_token"] = again
        return dump(reply)


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
