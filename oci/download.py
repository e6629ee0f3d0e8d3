"""Files from http and https addresses, kept by their digest, asked about again by their ETag.

    urls/KEY.json        what an address gave last: digest, size, ETag; KEY is the address's digest
    files/HEX            the content, by its digest; the rename is the last step
    tmp/                 what is being fetched

Importing this costs what urllib3 costs (20 ms), so whoever rarely needs it imports it then.
"""

import hashlib
import logging
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError, SSLError

from oci.cancellation import check_cancelled
from oci.digest import Digest
from oci.errors import DISK_FULL_HINT, ImageError, StalledError, StorageError, UsageError
from oci.leases import Leases
from oci.locks import exclusive
from oci.patience import Patience
from oci.persist import Transient, persist, retry_after
from oci.stale_files import mark_used, remove_stale
from oci.web_address import WebAddress

log = logging.getLogger(__name__)

MAX_BYTES = 4 << 30
_CHUNK_BYTES = 1 << 18
_CONNECT_SECONDS = 15.0
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REACH_HINT = "see that this host has a way to it (network, HTTPS_PROXY)"


class Freshness(Enum):
    """When a server is asked."""

    NEVER = "never"
    IF_ABSENT = "if absent"
    ALWAYS = "always"


@dataclass(frozen=True, kw_only=True)
class Download:
    """A fetched file; its name says nothing of what it is."""

    path: Path
    digest: Digest


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What an address gave last."""

    digest: str
    size_bytes: int
    etag: str = ""
    last_modified: str = ""


class Downloads:
    """The cache below `root`.

    ca_file: certificates to trust besides those of the system.
    max_bytes: what one file may have at most.
    """

    def __init__(
        self,
        root: Path,
        *,
        ca_file: Path | None = None,
        max_bytes: int = MAX_BYTES,
        patience: Patience | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = root
        self.leases = Leases()
        self._ca_file = ca_file
        self._max_bytes = max_bytes
        self._patience = patience or Patience()
        self._on_step = on_step
        for name in ("urls", "files", "tmp", "locks"):
            try:
                (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise StorageError(f"{root / name} cannot be made: {error.strerror}") from error

    def fetch(self, address: WebAddress, freshness: Freshness) -> Download:
        """The file. Raises ImageError, StorageError or UsageError.

        A pinned file that is here is never asked for again, whatever `freshness` says.
        """
        key = Digest.of(address.url.encode()).hex
        with exclusive(self._root / "locks" / f"{key}.lock", what=f"the download of {address}"):
            record = self._record(key)
            kept = self._kept(record)
            if address.digest is not None:
                pinned = self._root / "files" / address.digest.hex
                if pinned.is_file():
                    self.leases.take(pinned)
                    mark_used(pinned)
                    return Download(path=pinned, digest=address.digest)
                kept = None  # something else than what is wanted
            if kept is not None and freshness is not Freshness.ALWAYS:
                return kept
            if freshness is Freshness.NEVER:
                raise ImageError(
                    f"{address} was not downloaded yet, and --pull-policy is never",
                    hint="run once with --pull-policy if-not-present",
                )
            self._on_step(f"Downloading {address}")
            for folder in ("urls", "files", "tmp"):
                remove_stale(self._root / folder)
            return self._download(address, key, record if kept is not None else None)

    def _record(self, key: str) -> _Record | None:
        try:
            return msgspec.json.decode(
                (self._root / "urls" / f"{key}.json").read_bytes(), type=_Record
            )
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _kept(self, record: _Record | None) -> Download | None:
        if record is None:
            return None
        digest = Digest.parse(record.digest)
        path = self._root / "files" / digest.hex
        if not path.is_file() or path.stat().st_size != record.size_bytes:
            return None
        self.leases.take(path)
        mark_used(path)
        return Download(path=path, digest=digest)

    def _download(self, address: WebAddress, key: str, record: _Record | None) -> Download:
        fresh = persist(lambda: self._try(address, record), self._patience, time.sleep)
        if fresh is not None:
            file = self._root / "urls" / f"{key}.json"
            staged = file.with_suffix(".new")
            staged.write_bytes(msgspec.json.encode(fresh))
            staged.replace(file)
            record = fresh
        found = self._kept(record)
        if found is None:
            raise ImageError(f"{address}: the server says that it did not change, but it is gone")
        return found

    def _try(self, address: WebAddress, record: _Record | None) -> _Record | None:
        """One try: what came, or None when what is here is still right."""
        headers = {"User-Agent": "locald", "Accept-Encoding": "identity"}
        if record is not None and record.etag:
            headers["If-None-Match"] = record.etag
        elif record is not None and record.last_modified:
            headers["If-Modified-Since"] = record.last_modified
        with self._answer(address, headers) as answer:
            if answer.status == 304 and record is not None:
                return None
            if answer.status != 200:
                raise _refusal(address, answer)
            length = answer.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) > self._max_bytes:
                raise self._too_big(address)
            digest, size_bytes = self._receive(address, answer)
            return _Record(
                digest=str(digest),
                size_bytes=size_bytes,
                etag=answer.headers.get("ETag", ""),
                last_modified=answer.headers.get("Last-Modified", ""),
            )

    @contextmanager
    def _answer(
        self, address: WebAddress, headers: dict[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer at the end of the redirections. Credentials stay with the first host."""
        url = address.without_credentials
        origin = urlsplit(url)[:2]
        for _ in range(_MAX_REDIRECTS + 1):
            sent = dict(headers)
            if address.credentials and urlsplit(url)[:2] == origin:
                sent |= urllib3.make_headers(basic_auth=address.credentials)
            pool = self._pool(url)
            try:
                try:
                    answer = pool.request(
                        "GET", url, headers=sent,
                        preload_content=False, decode_content=False, redirect=False, retries=False,
                    )  # fmt: skip
                except HTTPError as error:
                    raise self._trouble(address, error) from error
                location = answer.headers.get("Location", "")
                if answer.status not in _REDIRECTS or not location:
                    yield answer
                    return
                url = _followed(address, url, location)
            finally:
                pool.clear()
        raise ImageError(f"{address}: more than {_MAX_REDIRECTS} redirections")

    def _receive(self, address: WebAddress, answer: urllib3.BaseHTTPResponse) -> tuple[Digest, int]:
        with tempfile.NamedTemporaryFile(dir=self._root / "tmp", delete=False) as file:
            staged = Path(file.name)
            try:
                digest, size_bytes = self._write(address, answer, file)
                file.close()
                if address.digest is not None and digest != address.digest:
                    raise ImageError(
                        f"{address}: the file has the digest {digest}, not {address.digest}",
                        hint="see that the address names a fixed version, or correct its digest",
                    )
                staged.replace(self._root / "files" / digest.hex)
            finally:
                staged.unlink(missing_ok=True)
        return digest, size_bytes

    def _write(
        self, address: WebAddress, answer: urllib3.BaseHTTPResponse, file: IO[bytes]
    ) -> tuple[Digest, int]:
        hasher = hashlib.sha256()
        size_bytes = 0
        chunks = answer.stream(_CHUNK_BYTES, decode_content=False)
        while True:
            check_cancelled()
            try:
                chunk = next(chunks, b"")
            except (HTTPError, OSError) as error:
                raise self._trouble(address, error) from error
            size_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise self._too_big(address)
            hasher.update(chunk)
            try:
                file.write(chunk)
                if not chunk:
                    file.flush()
            except OSError as error:
                raise StorageError(
                    f"{address} cannot be kept: {error.strerror}", hint=DISK_FULL_HINT
                ) from error
            if not chunk:
                return Digest(hasher.hexdigest()), size_bytes

    def _pool(self, url: str) -> urllib3.PoolManager:
        context = ssl.create_default_context()
        if self._ca_file is not None:
            try:
                context.load_verify_locations(self._ca_file)
            except (OSError, ssl.SSLError) as error:
                raise UsageError(f"{self._ca_file}: cannot be read as certificates") from error
        timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._patience.stall_seconds)
        parts = urlsplit(url)
        proxy = getproxies().get(parts.scheme, "")
        if not proxy or proxy_bypass(parts.netloc):
            return urllib3.PoolManager(timeout=timeout, ssl_context=context)
        proxy = proxy if "://" in proxy else f"http://{proxy}"
        user = urlsplit(proxy)
        pair = f"{user.username}:{user.password or ''}" if user.username else None
        return urllib3.ProxyManager(
            proxy,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=pair),
            timeout=timeout,
            ssl_context=context,
        )

    def _trouble(self, address: WebAddress, error: HTTPError | OSError) -> ImageError | Transient:
        """What a failure of the connection means."""
        cause = getattr(error, "original_error", error)
        words = str(cause)
        if isinstance(cause, SSLError) and "CERTIFICATE_VERIFY_FAILED" in words:
            return ImageError(
                f"{address}: the certificate of its server is not trusted",
                hint="add its CA to this host, or name its file with --ca-cert",
            )
        if isinstance(cause, SSLError) and "WRONG_VERSION" in words:
            return ImageError(
                f"{address}: its server does not speak TLS", hint="use http:// if so meant"
            )
        if isinstance(cause, NameResolutionError):
            return ImageError(f"{address}: no such host", hint=_REACH_HINT)
        if isinstance(cause, ReadTimeoutError | TimeoutError):
            seconds = self._patience.stall_seconds
            return Transient(
                StalledError(f"{address}: its server sent nothing for {seconds:.0f} s")
            )
        return Transient(
            ImageError(f"{address} cannot be fetched", details=(words[:300],), hint=_REACH_HINT)
        )

    def _too_big(self, address: WebAddress) -> ImageError:
        return ImageError(f"{address} is bigger than {self._max_bytes} bytes, which is the limit")


def _followed(address: WebAddress, url: str, location: str) -> str:
    """Where a redirection leads; never out of TLS."""
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ImageError(f"{address}: redirected to what is no address") from error
    secure = parts.scheme == "https" or (parts.scheme == "http" and url.startswith("http:"))
    if not secure or not host:
        raise ImageError(f"{address}: redirected to {parts.scheme[:20]!r}, which is not safe")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _refusal(address: WebAddress, answer: urllib3.BaseHTTPResponse) -> ImageError | Transient:
    status = answer.status
    if status in _WORTH_ANOTHER_TRY:
        return Transient(
            ImageError(f"{address}: its server answers with {status}"),
            asked_seconds=retry_after(answer.headers.get("Retry-After", "")),
        )
    match status:
        case 401 | 403 | 407:
            return ImageError(
                f"{address}: access refused ({status})",
                hint="credentials may stand in the address: https://USER:PASSWORD@host.example/…",
            )
        case 404 | 410:
            return ImageError(f"{address} does not exist ({status})", hint="see that it is right")
        case _:
            return ImageError(f"{address}: its server answers with {status}")
