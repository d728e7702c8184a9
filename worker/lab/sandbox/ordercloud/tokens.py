"""OrderCloud's token endpoint: the tokens it issues and revokes, and its errors."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox import spec
from worker.lab.sandbox.ordercloud.wire import RefusedError
from worker.lab.sandbox.wire import dump, json_web_token

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Token:
    """One issued token."""

    #: When it ends (seconds since 1970).
    ends: float
    client: str
    roles: tuple[str, ...]
    #: The number of calls left until it is revoked, or None for no limit.
    uses: int | None


class OauthError(RefusedError):
    """A refused request for a token; its body has the form of OAuth and of the API at once."""

    def __init__(self, status: int, error: str, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self._error = error

    def body(self) -> bytes:
        """Return `{"error", "error_description", "Errors": [...]}`."""
        errors = [{"ErrorCode": self.code, "Message": self.message, "Data": self.data}]
        return dump({"error": self._error, "error_description": self.message, "Errors": errors})


class Tokens:
    """The tokens of one API client.

    Options: `client`, `key` (its secret), `user`, `password`, `roles` (joined by +), `token_life`, `token_uses`
    (calls after which a token is revoked; 0: none), `refresh_life` (0: there are no refresh tokens; all in seconds),
    `oauth_refusal` (the status of a refused request, which no document states: 400, 401).
    """

    def __init__(self, options: dict[str, str]) -> None:
        self.client, self.secret = options.pop("client", "sandbox-account"), options.pop("key", "sandbox-key")
        self.user, self.password = options.pop("user", "sandbox-user"), options.pop("password", "sandbox-password")
        self.roles = tuple(options.pop("roles", "FullAccess").split("+"))
        self.life = float(options.pop("token_life", "36000"))
        self.uses = int(options.pop("token_uses", "0")) or None
        self.refresh_life = float(options.pop("refresh_life", "0"))
        self._refusal = int(spec.choice(options, "oauth_refusal", "400", "401"))
        self._issued: dict[str, Token] = {}
        self._revoked: set[str] = set()
        self._refresh: dict[str, tuple[float, tuple[str, ...]]] = {}

    def issue(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the body with a new token. Raise OauthError for a wrong request."""
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
                return self._refresh_token(form.get("refresh_token", ""))
            case _:
                raise OauthError(400, "unsupported_grant_type", "Auth.OauthError", "This grant type is not supported.")
        scope = form.get("scope", "").split()
        return self._new_token(tuple(role for role in self.roles if role in scope) or self.roles)

    def check(self, header: str) -> Token:
        """Return the token of a call. Raise RefusedError; only the code for a revoked token is documented."""
        scheme, _, text = header.partition(" ")
        if text in self._revoked:
            message = "The provided token has been revoked. Please re-authenticate."
            raise RefusedError(401, "Auth.TokenRevoked", message)
        token = self._issued.get(text)
        if scheme.lower() != "bearer" or token is None or token.ends <= time.time():
            raise RefusedError(401, "InvalidToken", "Access token is invalid or expired.")
        if token.uses is not None:
            token.uses -= 1
            if token.uses == 0:
                self._revoke(text)
        return token

    def revoke(self) -> None:
        """Revoke every token that was issued."""
        for text in list(self._issued):
            self._revoke(text)

    def _revoke(self, text: str) -> None:
        del self._issued[text]
        self._revoked.add(text)

    def _refused(self, error: str, code: str, message: str) -> OauthError:
        return OauthError(self._refusal, error, code, message)

    def _refresh_token(self, text: str) -> bytes:
        ends, roles = self._refresh.pop(text, (0.0, ()))
        if ends <= time.time():
            raise self._refused("invalid_grant", "Auth.OauthError", "Invalid refresh token.")
        return self._new_token(roles)

    def _new_token(self, roles: tuple[str, ...]) -> bytes:
        now = time.time()
        text = json_web_token({
            "usr": self.user, "cid": self.client, "usrtype": "admin", "role": roles, "iss": "sandbox", "aud": "sandbox",
            "exp": int(now + self.life), "nbf": int(now),
        })  # fmt: skip
        self._issued[text] = Token(now + self.life, self.client, roles, self.uses)
        body = {"access_token": text, "token_type": "bearer", "expires_in": int(self.life)}
        if self.refresh_life > 0:
            refresh_token = body["refresh_token"] = str(uuid.uuid4())
            self._refresh[refresh_token] = (now + self.refresh_life, roles)
        return dump(body)
