"""Secrets, and the forms in which they show up."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.build_secret import BuildSecret, Needle, Redactor, needles

TOKEN = b"tok-9f8e7d6c5b4a3210/+x"
PEM = """\
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu
NMoSfm76oqFvAp8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZ
-----END PRIVATE KEY-----
"""
CERTIFICATE = PEM.replace("PRIVATE KEY", "CERTIFICATE")


def secret(value: bytes | str, identity: str = "npm") -> BuildSecret:
    return BuildSecret(id=identity, value=value.encode() if isinstance(value, str) else value)


def found(value: bytes | str, text: bytes) -> set[str]:
    """The forms in which the secret is in a text."""
    return {needle.form for needle in needles([secret(value)]) if needle.data in text}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (b"token=" + TOKEN + b"\n", "as it is"),
        (base64.b64encode(TOKEN), "in base64"),
        (base64.b64encode(b"u:" + TOKEN), "in base64"),
        (base64.b64encode(b"user:" + TOKEN + b"@host"), "in base64"),
        (base64.urlsafe_b64encode(b"user:" + TOKEN + b":"), "in base64"),
        (b"https://u:" + quote(TOKEN, safe="").encode() + b"@x", "URL-encoded"),
        (TOKEN.hex().encode(), "in hexadecimal digits"),
        (TOKEN.hex().upper().encode(), "in hexadecimal digits"),
    ],
)
def test_a_word_is_found_in_every_form(text: bytes, form: str) -> None:
    assert form in found(TOKEN, text)
    assert form in found(TOKEN + b"\n", text), "the line's end is no part of it"


def test_other_text_is_not_found() -> None:
    assert found(TOKEN, b"tok-9f8e7d6c5b4a321 " + base64.b64encode(b"something else")) == set()


@given(st.binary(min_size=8, max_size=80), st.binary(max_size=6), st.binary(max_size=6))
def test_base64_is_found_at_every_place(value: bytes, before: bytes, after: bytes) -> None:
    if len(value.strip()) < 12:
        return  # the characters at both ends do not count
    text = base64.b64encode(before + value + after)
    assert "in base64" in found(value, text)


def test_wrapped_base64_of_the_file_itself_is_found() -> None:
    assert "in base64" in found(PEM, base64.encodebytes(PEM.encode()))


def test_a_file_of_several_lines_is_found_in_json() -> None:
    value = 'first "line" 1234\nsecond line\n'
    assert found(value, json.dumps({"a": value}).encode()) == {"in JSON"}


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("//registry.example/:_authToken=npm_AbCdEf\nregistry=https://registry.example/\n",
         "npm_AbCdEf"),
        ("machine git.example login me password hunter2hunter2\n", "hunter2hunter2"),
        ("url = https://me:s3cr3t-pass@host.example/x\n", "s3cr3t-pass"),
        ('{"auths": {"r.example": {"auth": "dXNlcjpwYXNzd29yZA=="}}}', "dXNlcjpwYXNzd29yZA=="),
        ("# a comment\nABCDEFGH12345678abcd\n", "ABCDEFGH12345678abcd"),
        (CERTIFICATE + PEM, "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu"),
    ],
)  # fmt: skip
def test_what_is_secret_in_a_file_is_found_by_itself(value: str, part: str) -> None:
    assert "as it is" in found(value, b"\0" + part.encode() + b"\0")


@pytest.mark.parametrize(
    "public",
    [
        "https://registry.example/",
        "registry.example",
        "//registry.example/",
        "/etc/ssl/private/server1.key.pem",
        "me@company1.example.com",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
    ],
)
def test_what_is_public_in_a_file_is_not_searched_for(public: str) -> None:
    text = (
        f"registry={public}\n//registry.example/:_authToken=npm_AbCdEf\nalways-auth=true\n"
        f"email={public}\nkey={public if '/' in public else ''}\n{CERTIFICATE}"
        if not public.startswith("MII")
        else CERTIFICATE + "password=abcdefgh\n"
    )
    assert found(text, public.encode()) == set()


@pytest.mark.parametrize(
    ("value", "searchable"), [(b"1234567", False), (b"  123456 \n", False), (b"12345678", True)]
)
def test_few_bytes_are_not_searched_for(value: bytes, searchable: bool) -> None:
    assert secret(value).searchable is searchable
    assert bool(needles([secret(value)])) is searchable


def test_values_are_not_shown() -> None:
    made = secret(TOKEN)
    assert "tok-" not in repr(made) + repr(needles([made]))
    assert isinstance(needles([made])[0], Needle)


def test_lines_are_redacted() -> None:
    redact = Redactor([secret(PEM), secret(TOKEN, "t"), secret(b"shrt", "s"), secret(b"ab", "x")])
    assert redact(f"using {TOKEN.decode()} now") == "using *** now"
    assert redact(base64.b64encode(TOKEN).decode()[:-2]).startswith("***")
    assert redact("MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu") == "***"
    assert redact("pin shrt, ab") == "pin ***, ab"
    assert redact("nothing here") == "nothing here"
