"""The requests of the registry API: manifests and blobs of one registry, asked for until answered.

Source: OCI distribution-spec 1.1.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import IO, TypeVar
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from oci.auth import Credential
from oci.digest import Digest
from oci.image import INDEX_TYPES, MANIFEST_TYPES, MAX_MANIFEST_BYTES
from oci.patience import Patience
from oci.persist import Transient, persist, retry_after
from oci.reference import Reference
from oci.registry_body import CheckedBody
from oci.registry_connection import Body, RegistryConnection
from oci.registry_errors import (
    failing,
    limited,
    lying,
    refused_answer,
    registry_words,
)
from oci.registry_login import RegistryLogin, Scope
from oci.side_by_side import interruptible

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_MAX_ERROR_BYTES = 1 << 16
# The first says what is wanted, the second that a token has expired meanwhile.
_MAX_CHALLENGES = 3
_ACCEPT = ", ".join(sorted(MANIFEST_TYPES | INDEX_TYPES))

OpenBlob = Callable[[], AbstractContextManager[IO[bytes]]]


class Arrival(StrEnum):
    """How a blob came to be in a repository."""

    PRESENT = "present"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


@dataclass(frozen=True, kw_only=True)
class RemoteManifest:
    """A manifest, or an index, as a registry has it."""

    digest: Digest
    media_type: str
    data: bytes


class RegistryClient:
    """One repository of one registry.

    repository: the name of any image in it; errors name the image that a request is about.
    """

    def __init__(
        self,
        repository: Reference,
        connection: RegistryConnection,
        credential: Credential | None,
        *,
        patience: Patience,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.repository = repository
        self._connection = connection
        self._login = RegistryLogin(connection, credential)
        self._patience = patience
        self._sleep = sleep

    @property
    def logged_in(self) -> bool:
        """Is there a credential for it?"""
        return self._login.credential is not None

    def digest_of(self, image: Reference) -> Digest | None:
        """What a tag means, or None when the registry does not know it."""

        def ask() -> str | None:
            answer = self._request("HEAD", self._manifest_path(image), image, accept=_ACCEPT)
            with _released(answer):
                if answer.status == 404:
                    return None
                self._expect(answer, image, 200)
                return answer.headers.get("Docker-Content-Digest", "")

        told = self._persist(ask)
        if told != "":
            return None if told is None else Digest.parse(told)
        # The header may be missing.
        found = self.manifest(image)
        return None if found is None else found.digest

    def manifest(self, image: Reference) -> RemoteManifest | None:
        """The manifest or index, checked against the digest that was asked for; None when there
        is none."""

        def ask() -> RemoteManifest | None:
            answer = self._request("GET", self._manifest_path(image), image, accept=_ACCEPT)
            with _released(answer):
                if answer.status == 404:
                    return None
                self._expect(answer, image, 200)
                data = self._body(answer, image, max_bytes=MAX_MANIFEST_BYTES)
                media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            digest = Digest.of(data)
            if image.digest is not None and image.digest != digest:
                raise lying(image, f"a manifest with another digest: {digest}")
            return RemoteManifest(digest=digest, media_type=media_type, data=data)

        return self._persist(ask)

    def has_blob(self, digest: Digest) -> bool:
        """Is the blob in the repository?"""
        image = self.repository.with_digest(digest)

        def ask() -> bool:
            answer = self._request("HEAD", self._blob_path(digest), image)
            with _released(answer):
                if answer.status == 404:
                    return False
                self._expect(answer, image, 200)
            return True

        return self._persist(ask)

    def read_blob(self, digest: Digest, *, max_bytes: int) -> bytes:
        """A small blob, checked."""

        def ask() -> bytes:
            with self.open_blob(digest, size=None, max_bytes=max_bytes) as body:
                parts = []
                while part := body.read(1 << 16):
                    parts.append(part)
            return b"".join(parts)

        return self._persist(ask)

    def save_blob(self, digest: Digest, size: int, write: Callable[[IO[bytes]], None]) -> None:
        """Give a blob's bytes to `write`, which may be called again from the start; returns when
        they were whole and right."""

        def ask() -> None:
            with self.open_blob(digest, size=size, max_bytes=size) as body:
                write(body)

        self._persist(ask)

    @contextmanager
    def open_blob(self, digest: Digest, *, size: int | None, max_bytes: int) -> Iterator[IO[bytes]]:
        """A blob's bytes as they come, in one try: reading raises Transient, or RegistryError when
        the bytes are not those of the digest, at the latest with the last of them."""
        image = self.repository.with_digest(digest)
        answer = self._request("GET", self._blob_path(digest), image)
        whole = False
        try:
            self._expect(answer, image, 200)
            yield CheckedBody(self._connection, answer, image, size, max_bytes)  # type: ignore[misc]
            whole = True
        finally:
            # Where the rest was not read, the connection cannot be used for anything else.
            answer.release_conn() if whole else answer.close()

    def push_blob(
        self, digest: Digest, size: int, open_blob: OpenBlob, *, mount_from: str = ""
    ) -> Arrival:
        """Bring a blob into the repository, unless it is there.

        mount_from: another repository of this registry that has it; then its bytes stay there.
        """
        if self.has_blob(digest):
            return Arrival.PRESENT
        image = self.repository.with_digest(digest)

        def ask() -> Arrival:
            upload = self._begin_upload(image, digest, mount_from)
            if upload is None:
                return Arrival.MOUNTED
            with open_blob() as body:
                upload = self._send_bytes(image, upload, size, body)
            joint = "&" if "?" in upload else "?"
            answer = self._request(
                "PUT", f"{upload}{joint}{urlencode({'digest': str(digest)})}", image, push=True
            )
            with _released(answer):
                self._expect(answer, image, 201, 204)
            return Arrival.UPLOADED

        return self._persist(ask)

    def push_manifest(self, image: Reference, data: bytes, media_type: str) -> None:
        """Put a manifest under a digest or a tag."""

        def ask() -> None:
            answer = self._request(
                "PUT",
                self._manifest_path(image),
                image,
                push=True,
                body=data,
                headers={"Content-Type": media_type},
            )
            with _released(answer):
                self._expect(answer, image, 200, 201, 202)

        self._persist(ask)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _begin_upload(self, image: Reference, digest: Digest, mount_from: str) -> str | None:
        """Where to send the bytes, or None when there is nothing to send."""
        query = {"mount": str(digest), "from": mount_from} if mount_from else {}
        path = f"/v2/{self.repository.repository}/blobs/uploads/"
        url = self._connection.url(path, image)
        answer = self._request(
            "POST",
            path + (f"?{urlencode(query)}" if query else ""),
            image,
            push=True,
            mount_from=mount_from,
            headers={"Content-Length": "0"},
        )
        with _released(answer):
            if mount_from and answer.status == 201:
                return None
            if mount_from and answer.status in (401, 403, 404):
                # May not be read there: the bytes go the long way.
                return self._begin_upload(image, digest, "")
            self._expect(answer, image, 202)
            location = answer.headers.get("Location", "")
        if not location:
            raise lying(image, "no place to upload to")
        return self._connection.follow(url, location, image)

    def _send_bytes(self, image: Reference, upload: str, size: int, body: IO[bytes]) -> str:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        answer = self._request("PATCH", upload, image, push=True, body=body, headers=headers)
        with _released(answer):
            self._expect(answer, image, 202, 201, 204)
            location = answer.headers.get("Location", "")
        return self._connection.follow(upload, location, image) if location else upload

    def _request(
        self,
        method: str,
        path: str,
        image: Reference,
        *,
        push: bool = False,
        mount_from: str = "",
        accept: str = "",
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> BaseHTTPResponse:
        """One answer, logged in as the registry wants it. path: or a whole address."""
        url = path if "://" in path else self._connection.url(path, image)
        scope = Scope(repository=self.repository.repository, push=push, mount_from=mount_from)
        sent = {**({"Accept": accept} if accept else {}), **(headers or {})}
        for _ in range(_MAX_CHALLENGES):
            shown = self._login.header(image, scope)
            answer = self._connection.send(
                method, url, image,
                headers=sent, body=body, authorization=shown.reveal() if shown else "",
            )  # fmt: skip
            log.debug("%s %s: %d", method, url.partition("?")[0], answer.status)
            if answer.status != 401 or not self._login.challenged(answer, shown, image, scope):
                return answer
            answer.drain_conn()
            if body is not None and not isinstance(body, bytes):
                # A token ran out in the middle: the whole upload is begun anew.
                break
        raise Transient(refused_answer(image, 401, b"", self._login.credential))

    def _expect(self, answer: BaseHTTPResponse, image: Reference, *statuses: int) -> None:
        if answer.status in statuses:
            return
        body = b"" if answer.status == 401 else self._error_body(answer)
        if answer.status == 429:
            raise Transient(
                limited(image, details=registry_words(body)),
                asked_seconds=retry_after(answer.headers.get("Retry-After", "")),
            )
        if answer.status in (408, 425) or answer.status >= 500:
            raise Transient(
                failing(image, f"it answered {answer.status}"),
                asked_seconds=retry_after(answer.headers.get("Retry-After", "")),
            )
        raise refused_answer(image, answer.status, body, self._login.credential)

    def _error_body(self, answer: BaseHTTPResponse) -> bytes:
        try:
            return answer.read(_MAX_ERROR_BYTES)
        except (HTTPError, OSError):
            return b""

    def _body(self, answer: BaseHTTPResponse, image: Reference, *, max_bytes: int) -> bytes:
        try:
            data = answer.read(max_bytes + 1)
        except HTTPError as error:
            raise self._connection.trouble(error, image) from error
        if len(data) > max_bytes:
            raise lying(image, f"more than {max_bytes} bytes where a manifest was expected")
        return data

    def _persist(self, ask: Callable[[], _T]) -> _T:
        return persist(lambda: interruptible(ask), self._patience, self._sleep)

    def _manifest_path(self, image: Reference) -> str:
        name = str(image.digest) if image.digest is not None else image.tag
        return f"/v2/{self.repository.repository}/manifests/{name}"

    def _blob_path(self, digest: Digest) -> str:
        return f"/v2/{self.repository.repository}/blobs/{digest}"


def opened(data: bytes) -> OpenBlob:
    """Bytes at hand as a blob to push."""
    return lambda: nullcontext(BytesIO(data))


@contextmanager
def _released(answer: BaseHTTPResponse) -> Iterator[None]:
    try:
        yield
    except BaseException:
        answer.close()
        raise
    else:
        left = answer.length_remaining
        # What is long, or endless, is not worth a connection that could be used again.
        answer.drain_conn() if left is not None and left <= _MAX_ERROR_BYTES else answer.close()
