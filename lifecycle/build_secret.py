"""A secret of the build, and the forms in which it could show up somewhere.

A secret may be one word, or a file with several entries of which only some are secret (.npmrc,
.netrc, a key beside its certificate). Its *parts* are what is worth hiding by itself: values of
keys that are named like passwords, long words of letters and digits, a line of a private key.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import quote, quote_plus

SECRETS = PurePosixPath("/run/secrets")
MIN_BYTES = 8
"""Fewer than this are in any file by chance."""

_HIDDEN = "***"
_MIN_HIDDEN = 4
# What tools wrap: base64 at 64 or 76 characters, hexadecimal digits at 60.
_ENCODED_LIMIT = 60
_MAX_PARTS = 64

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]+-----\s+(.*?)-----END [A-Z0-9 ]+-----", re.DOTALL)
_NAMED = re.compile(
    r"(?:pass|pwd|token|secret|key|auth|cred)[\w.-]*[\"']?\s*[=: ]\s*[\"']?([^\s\"',;]{8,})",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"://[^/\s:@]*:([^@\s/]{8,})@")
_WORD = re.compile(r"[A-Za-z0-9+/_.~-]{16,}={0,2}")


@dataclass(frozen=True, kw_only=True)
class BuildSecret:
    """One secret: a file /run/secrets/ID in the build phase."""

    id: str
    value: bytes = field(repr=False)

    @property
    def searchable(self) -> bool:
        """Is it long enough that finding it means something?"""
        return len(self.value.strip()) >= MIN_BYTES

    def pieces(self) -> tuple[bytes, ...]:
        """The whole, and its parts, none of them shorter than `MIN_BYTES`."""
        whole = self.value.strip()
        found = dict.fromkeys([whole, *(part.encode() for part in _parts(_text(whole)))])
        return tuple(piece for piece in found if len(piece) >= MIN_BYTES)


@dataclass(frozen=True)
class Needle:
    """Bytes to look for. form: how they came from the secret, for people."""

    secret: str
    form: str
    data: bytes = field(repr=False)


def needles(secrets: Iterable[BuildSecret]) -> tuple[Needle, ...]:
    """All forms of all pieces of all secrets."""
    found: dict[bytes, Needle] = {}
    for secret in secrets:
        if secret.searchable:
            for piece in secret.pieces():
                for form, data in _forms(piece):
                    if len(data) >= MIN_BYTES:
                        found.setdefault(data, Needle(secret.id, form, data))
    return tuple(found.values())


class Redactor:
    """Takes secrets out of lines that are printed or kept."""

    def __init__(self, secrets: Iterable[BuildSecret]) -> None:
        secrets = tuple(secrets)
        words = {needle.data for needle in needles(secrets)}
        for secret in secrets:
            words |= {line.strip() for line in secret.value.splitlines()}
        texts = {_text(word) for word in words if len(word) >= _MIN_HIDDEN}
        self._words = tuple(sorted(texts - {""}, key=len, reverse=True))

    def __call__(self, line: str) -> str:
        for word in self._words:
            line = line.replace(word, _HIDDEN)
        return line


def _text(data: bytes) -> str:
    """As the lines of a phase are decoded."""
    return data.decode(errors="replace")


def _parts(text: str) -> Iterator[str]:
    if len(text.split()) < 2 and "=" not in text[:-2] and "://" not in text:
        return  # one word
    yield from islice(_all_parts(_CERTIFICATE.sub("", text)), _MAX_PARTS)


def _all_parts(text: str) -> Iterator[str]:
    for block in _PEM.findall(text):
        lines = block.split()
        yield lines[len(lines) // 2] if lines else ""
    text = _PEM.sub("", text)
    for value in _NAMED.findall(text):
        if not value.startswith(("/", "./", "~/")) and "://" not in value:
            yield value
    yield from _IN_URL.findall(text)
    for word in _WORD.findall(text):
        if _looks_random(word):
            yield word


def _looks_random(word: str) -> bool:
    """Letters and digits, and neither a path nor a host's name."""
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return mixed and max(map(len, re.split(r"[./]", word))) >= 16


def _forms(piece: bytes) -> Iterator[tuple[str, bytes]]:
    yield "as it is", piece
    for shift in range(3):
        encoded = _base64_inside(piece, shift)
        yield "in base64", encoded
        yield "in base64", encoded.translate(bytes.maketrans(b"+/", b"-_"))
    digits = piece.hex()[:_ENCODED_LIMIT]
    yield "in hexadecimal digits", digits.encode()
    yield "in hexadecimal digits", digits.upper().encode()
    for quoted in (quote(piece, safe=""), quote_plus(piece), quote(piece)):
        yield "URL-encoded", quoted.encode()
        lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)
        yield "URL-encoded", lower.encode()
    text = piece.decode(errors="surrogateescape")
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield "in JSON", escaped.encode(errors="surrogateescape")


def _base64_inside(piece: bytes, shift: int) -> bytes:
    """What all base64 texts share that have the piece after 3n + shift other bytes.

    The characters at both ends, which hold bits of the neighbours too, are left out.
    """
    encoded = base64.b64encode(b"\0" * shift + piece).rstrip(b"=")
    start = (0, 2, 3)[shift]
    partial = (shift + len(piece)) % 3 != 0
    return encoded[start : len(encoded) - 1 if partial else None][:_ENCODED_LIMIT]
