"""One registry over HTTP: TLS, proxies, time-outs. What an answer means is others' concern."""

import os
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InsecureRequestWarning,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from oci.errors import RegistryError, UsageError
from oci.patience import Patience
from oci.persist import Transient
from oci.reference import DOCKER_HUB, Reference
from oci.registry_errors import (
    broken_off,
    lying,
    plain_http,
    stalled,
    unreachable,
    untrusted,
)

# Whoever says --insecure-registry has been told; it would be said on standard error, each time.
urllib3.disable_warnings(InsecureRequestWarning)

_HUB_HOST = "registry-1.docker.io"
_CONNECT_SECONDS = 15.0
_MAX_REDIRECTS = 5
_BLOCK_BYTES = 1 << 18
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Body = bytes | IO[bytes] | None


class RegistryConnection:
    """The pool of connections to one registry, and to where it sends us."""

    def __init__(
        self, registry: str, *, cert_dir: Path | None, insecure: bool, patience: Patience
    ) -> None:
        self.registry = registry
        self.insecure = insecure
        self._patience = patience
        self._base = ""
        self._asking = threading.Lock()
        host = _HUB_HOST if registry == DOCKER_HUB else registry
        self._host = host
        self._own = _pool(_tls(registry, cert_dir, insecure=insecure), f"https://{host}", patience)
        self._others: urllib3.PoolManager | None = None

    def url(self, path: str, image: Reference) -> str:
        """The address of `/v2/…`. An insecure registry is asked once whether it speaks TLS."""
        with self._asking:
            if not self._base:
                base = f"https://{self._host}"
                plain = self.insecure and not self._speaks_tls(base, image)
                self._base = f"http://{self._host}" if plain else base
        return f"{self._base}{path}"

    def follow(self, url: str, location: str, image: Reference) -> str:
        """Where a `Location` header leads. Only an insecure registry may lead out of TLS."""
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
        if scheme != "https" and not (scheme == "http" and url.startswith("http:")):
            raise lying(image, f"a redirection to {scheme[:20]!r}, which is not safe")
        return target

    def is_own(self, url: str) -> bool:
        """Does an address belong to this registry, which alone gets its credential?"""
        return f"{url}/".startswith(f"{self._base}/")

    def send(
        self,
        method: str,
        url: str,
        image: Reference,
        *,
        headers: Mapping[str, str],
        body: Body = None,
        authorization: str = "",
    ) -> urllib3.BaseHTTPResponse:
        """One answer, its body not yet read. Redirections of GET and HEAD are followed, without
        the authorization where they leave the registry. Raises Transient or RegistryError."""
        for _ in range(_MAX_REDIRECTS + 1):
            own = self.is_own(url)
            shown = {"Authorization": authorization} if own and authorization else {}
            answer = self._send_once(method, url, image, {**headers, **shown}, body, own=own)
            location = answer.headers.get("Location", "")
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS or not location:
                return answer
            answer.drain_conn()
            url = self.follow(url, location, image)
        raise lying(image, f"more than {_MAX_REDIRECTS} redirections")

    def send_elsewhere(
        self, method: str, url: str, image: Reference, *, headers: Mapping[str, str], body: Body
    ) -> urllib3.BaseHTTPResponse:
        """To an address that the registry names for its tokens."""
        return self._send_once(method, url, image, headers, body, own=self.is_own(url))

    def close(self) -> None:
        """Close what is open."""
        self._own.clear()
        if self._others is not None:
            self._others.clear()

    def _send_once(
        self,
        method: str,
        url: str,
        image: Reference,
        headers: Mapping[str, str],
        body: Body,
        *,
        own: bool,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool_for(url, own=own).request(
                method,
                url,
                body=body,
                headers={"User-Agent": "locald", **headers},
                preload_content=False,
                redirect=False,
                retries=False,
            )
        except HTTPError as error:
            raise self.trouble(error, image) from error
        except OSError as error:
            raise Transient(broken_off(image, details=(str(error),))) from error

    def trouble(self, error: HTTPError, image: Reference) -> Transient | RegistryError:
        """What a failure of the connection means."""
        details = (str(error)[:300],)
        if isinstance(error, ProxyError) and not isinstance(error.original_error, HTTPError):
            return unreachable(image, details=details)
        cause = error.original_error if isinstance(error, ProxyError) else error
        if isinstance(cause, SSLError):
            words = str(cause)
            if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
                return untrusted(image, details=(_tls_words(words),))
            if "WRONG_VERSION" in words or "RECORD_LAYER" in words or "HTTP_REQUEST" in words:
                return plain_http(image)
            if "EOF" in words:
                return Transient(broken_off(image, details=(_tls_words(words),)))
            return unreachable(image, details=(_tls_words(words),))
        if isinstance(cause, NameResolutionError):
            return unreachable(image, details=details)
        if isinstance(cause, ConnectTimeoutError) and not isinstance(cause, NewConnectionError):
            return Transient(stalled(image, _CONNECT_SECONDS))
        if isinstance(cause, NewConnectionError):
            return Transient(unreachable(image, details=(_plain_words(cause),)))
        if isinstance(cause, ReadTimeoutError):
            return Transient(stalled(image, self._patience.stall_seconds))
        return Transient(broken_off(image, details=(_plain_words(cause),)))

    def _pool_for(self, url: str, *, own: bool) -> urllib3.PoolManager:
        if own or url.startswith("http:"):
            return self._own
        if self._others is None:
            # Its private CA says nothing about others, and neither does its being insecure.
            self._others = _pool(_any_host(), url, self._patience)
        return self._others

    def _speaks_tls(self, base: str, image: Reference) -> bool:
        try:
            self._send_once("GET", f"{base}/v2/", image, {}, None, own=True).drain_conn()
        except (Transient, RegistryError) as error:
            final = error.final if isinstance(error, Transient) else error
            if "did not answer" in final.message:
                raise
            return False
        return True


def _pool(context: ssl.SSLContext, url: str, patience: Patience) -> urllib3.PoolManager:
    options = {
        "timeout": urllib3.Timeout(connect=_CONNECT_SECONDS, read=patience.stall_seconds),
        "ssl_context": context,
        "maxsize": 8,
        "blocksize": _BLOCK_BYTES,
    }
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.netloc):
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        user = urlsplit(proxy)
        headers = None
        if user.username:
            pair = f"{user.username}:{user.password or ''}"
            headers = urllib3.make_headers(proxy_basic_auth=pair)
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)  # type: ignore[arg-type]
    return urllib3.PoolManager(**options)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def _any_host() -> ssl.SSLContext:
    return ssl.create_default_context()


# 20 ms for each: the host's own authorities are read.
@lru_cache(maxsize=16)
def _tls(registry: str, cert_dir: Path | None, *, insecure: bool) -> ssl.SSLContext:
    """Source: containers-certs.d(5)."""
    context = ssl.create_default_context()
    folders = [cert_dir] if cert_dir is not None else _standard_folders(registry)
    for folder in folders:
        names = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in names:
            try:
                if path.suffix == ".crt":
                    context.load_verify_locations(path)
                elif path.suffix == ".cert":
                    context.load_cert_chain(path, path.with_suffix(".key"))
            except (OSError, ssl.SSLError) as error:
                raise UsageError(
                    f"{path}: cannot be read as a certificate: {error}",
                    hint="*.crt are CA certificates, *.cert with *.key are shown; all are PEM",
                ) from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _standard_folders(registry: str) -> list[Path]:
    home = os.environ.get("HOME") or "/"
    roots = (Path(home, ".config/containers"), Path("/etc/containers"), Path("/etc/docker"))
    found = []
    for root in roots:
        folder = root / "certs.d" / registry
        with suppress(OSError):
            if folder.is_dir():
                found.append(folder)
    return found


def _tls_words(text: str) -> str:
    """OpenSSL's own sentence out of the pile."""
    return text.rpartition("] ")[2].partition(" (_ssl")[0].strip(" )'\"") or text[:200]


def _plain_words(error: BaseException) -> str:
    return str(error).rpartition(">: ")[2][:300] or type(error).__name__
