"""What a registry wants to be shown: nothing, a password, or a token for one repository.

Source: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

import re
import threading
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from oci.auth import Credential, Secret
from oci.persist import Transient
from oci.reference import Reference
from oci.registry_connection import RegistryConnection
from oci.registry_errors import (
    failing,
    limited,
    lying,
    refused,
    refused_answer,
    wrong_login,
)

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_MAX_TOKEN_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What one request may do: `push` includes pulling; `mount_from` is pulled from as well."""

    repository: str
    push: bool = False
    mount_from: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """As the token server takes them."""
        own = f"repository:{self.repository}:{'pull,push' if self.push else 'pull'}"
        other = f"repository:{self.mount_from}:pull"
        return (own, other) if self.mount_from and self.mount_from != self.repository else (own,)


class _TokenAnswer(msgspec.Struct, kw_only=True):
    token: str = ""
    access_token: str = ""


@dataclass(frozen=True, kw_only=True)
class _Challenge:
    """realm is empty where the registry wants a password itself."""

    realm: str = ""
    service: str = ""


class RegistryLogin:
    """Makes the `Authorization` header of one registry's requests, from several threads."""

    def __init__(self, connection: RegistryConnection, credential: Credential | None) -> None:
        self.credential = credential
        self._connection = connection
        self._challenge: _Challenge | None = None
        self._tokens: dict[tuple[str, ...], Secret] = {}
        self._lock = threading.Lock()

    def header(self, image: Reference, scope: Scope) -> Secret | None:
        """What to show for this scope, as far as the registry has said what it wants."""
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return None
            if not challenge.realm:
                if self.credential is None:
                    return None
                return Secret(f"Basic {self.credential.basic.reveal()}")
            token = self._tokens.get(scope.words)
            if token is None:
                token = self._tokens[scope.words] = self._token(challenge, image, scope)
            return Secret(f"Bearer {token.reveal()}")

    def challenged(
        self, answer: BaseHTTPResponse, shown: Secret | None, image: Reference, scope: Scope
    ) -> bool:
        """After a 401: is there something else to show than what was shown?"""
        text = answer.headers.get("WWW-Authenticate", "")
        with self._lock:
            if "bearer" in text.lower():
                values = dict(_PARAMETER.findall(text))
                self._challenge = _Challenge(
                    realm=values.get("realm", ""), service=values.get("service", "")
                )
                if not self._challenge.realm:
                    raise lying(image, "a login challenge without a realm")
                # One that was shown has expired, or another thread has fetched a new one since.
                known = self._tokens.get(scope.words)
                if known is not None and shown == Secret(f"Bearer {known.reveal()}"):
                    del self._tokens[scope.words]
                return True
            self._challenge = _Challenge()
            if shown is not None and self.credential is not None:
                raise wrong_login(image, self.credential)
            return self.credential is not None

    def _token(self, challenge: _Challenge, image: Reference, scope: Scope) -> Secret:
        url = self._connection.follow(self._connection.url("/v2/", image), challenge.realm, image)
        service = [("service", challenge.service)] if challenge.service else []
        credential, headers = self.credential, {}
        if credential is not None and credential.identity_token is not None:
            form = urlencode(
                [
                    *service,
                    ("grant_type", "refresh_token"),
                    ("client_id", "locald"),
                    ("refresh_token", credential.identity_token.reveal()),
                    ("scope", " ".join(scope.words)),
                ]
            )
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = self._connection.send_elsewhere(
                "POST", url, image, headers=headers, body=form.encode()
            )
        else:
            if credential is not None:
                headers["Authorization"] = f"Basic {credential.basic.reveal()}"
            query = urlencode([*service, *(("scope", word) for word in scope.words)])
            joint = "&" if "?" in url else "?"
            answer = self._connection.send_elsewhere(
                "GET", f"{url}{joint}{query}", image, headers=headers, body=None
            )
        return self._read_token(answer, image)

    def _read_token(self, answer: BaseHTTPResponse, image: Reference) -> Secret:
        try:
            body = answer.read(_MAX_TOKEN_BYTES)
        except HTTPError as error:
            raise self._connection.trouble(error, image) from error
        finally:
            answer.release_conn()
        if answer.status == 429:
            raise Transient(limited(image))
        if answer.status >= 500:
            raise Transient(failing(image, f"its token service answered {answer.status}"))
        if answer.status == 401 and self.credential is not None:
            raise wrong_login(image, self.credential)
        if answer.status in (400, 401, 403):
            raise refused(image, self.credential)
        if answer.status != 200:
            raise refused_answer(image, answer.status, b"", self.credential)
        try:
            told = msgspec.json.decode(body, type=_TokenAnswer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            told = _TokenAnswer()
        text = told.token or told.access_token
        if not text or not text.isprintable() or not text.isascii():
            # The answer itself may hold half a secret: it is not shown.
            raise lying(image, "no token where it should have sent one")
        return Secret(text)
