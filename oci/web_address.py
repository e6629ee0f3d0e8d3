"""Files that people name by an http or https address, maybe with the digest that they must have."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from oci.digest import Digest
from oci.errors import UsageError

_SCHEMES = ("http", "https")
_PIN = re.compile(r"sha256[:=]([0-9a-f]{64})")
_HINT = "write it like https://host.example/path/file.tgz, its digest after it as #sha256:…"


def is_web_address(text: str) -> bool:
    """Does this text name something by http or https?"""
    return text.partition("://")[0].lower() in _SCHEMES and "://" in text


@dataclass(frozen=True, repr=False)
class WebAddress:
    """url: without the fragment; it may carry credentials, so only `str` is for people.

    digest: of the file, where the address pins it.
    """

    url: str
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `https://[USER:PASSWORD@]HOST[:PORT]/PATH[?QUERY][#sha256:HEX]`; raises UsageError
        that does not repeat credentials."""
        if not text.isprintable() or not text.isascii() or " " in text:
            raise UsageError(
                "an address has characters in it that have to be percent-encoded", hint=_HINT
            )
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError("an address cannot be read", hint=_HINT) from error
        if parts.scheme not in _SCHEMES or not host:
            raise UsageError("an address names no host", hint=_HINT)
        digest = None
        if parts.fragment:
            pin = _PIN.fullmatch(parts.fragment.lower())
            if pin is None:
                raise UsageError(
                    f"{_shown(text)}: not a digest: {parts.fragment[:80]!r}",
                    hint="write it as #sha256: and 64 hexadecimal digits",
                )
            digest = Digest(pin[1])
        return cls(parts._replace(fragment="").geturl(), digest)

    @property
    def encrypted(self) -> bool:
        """Is it https?"""
        return urlsplit(self.url).scheme == "https"

    @property
    def credentials(self) -> str:
        """`USER:PASSWORD` of the address; empty without."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return ""
        return f"{unquote(parts.username)}:{unquote(parts.password or '')}"

    @property
    def without_credentials(self) -> str:
        """What is asked of the server."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def __str__(self) -> str:
        """For messages: credentials and the query, which may sign the request, are left out."""
        return _shown(self.url)

    def __repr__(self) -> str:
        return f"WebAddress({str(self)!r})"


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]
