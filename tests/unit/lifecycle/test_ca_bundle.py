"""Certificates of the host, trusted inside the build."""

from pathlib import Path, PurePosixPath

import pytest

from lifecycle.ca_bundle import BUNDLE_PATHS, builder_bundle, host_bundle, variables, write_joined
from oci.errors import UsageError


def pem(content: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n"


def test_the_given_bundle_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, other = tmp_path / "given", tmp_path / "other"
    given.write_text(pem("AAAA"))
    other.write_text(pem("BBBB"))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert host_bundle(given) == given
    assert host_bundle(None) == other


def test_a_variable_that_leads_nowhere_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone"))
    assert host_bundle(None) in (None, *(Path(path) for path in BUNDLE_PATHS))


def test_a_given_bundle_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ca-cert: no such file"):
        host_bundle(tmp_path / "gone")
    (tmp_path / "der").write_bytes(b"\x30\x82")
    with pytest.raises(UsageError, match="holds no certificate") as caught:
        host_bundle(tmp_path / "der")
    assert "PEM" in caught.value.hint


@pytest.mark.parametrize("path", BUNDLE_PATHS)
def test_the_builder_s_bundle_is_found_where_its_distribution_keeps_it(
    tmp_path: Path, path: PurePosixPath
) -> None:
    inside = tmp_path / path.relative_to("/")
    inside.parent.mkdir(parents=True)
    inside.write_text(pem("AAAA"))
    assert builder_bundle(tmp_path) == path


def test_a_builder_without_a_bundle_gets_one_in_the_usual_place(tmp_path: Path) -> None:
    assert builder_bundle(tmp_path) == PurePosixPath("/etc/ssl/certs/ca-certificates.crt")


def test_bundles_are_joined_and_every_certificate_counts_once(tmp_path: Path) -> None:
    one, two, joined = tmp_path / "one", tmp_path / "two", tmp_path / "joined"
    one.write_text("# a comment\n" + pem("AAAA") + "\n" + pem("BBBB").rstrip("\n"))
    two.write_text(pem("BBBB") + pem("CC/+=="))
    write_joined(joined, [one, two, one])
    assert joined.read_text() == pem("AAAA") + pem("BBBB") + pem("CC/+==")


def test_nothing_but_certificates_enters_the_build(tmp_path: Path) -> None:
    """A builder's bundle may be a link to any file of the host."""
    secrets, joined = tmp_path / "secrets", tmp_path / "joined"
    secrets.write_text(
        "password = hunter2\n-----BEGIN PRIVATE KEY-----\nS3CRET\n-----END PRIVATE KEY-----\n"
        + pem("AAAA")
        + "-----BEGIN CERTIFICATE-----\npassword: hunter2\n-----END CERTIFICATE-----\n"
    )
    (tmp_path / "link").symlink_to(secrets)
    write_joined(joined, [tmp_path / "link"])
    assert joined.read_text() == pem("AAAA")


def test_every_tool_is_told_of_the_bundle() -> None:
    bundle = PurePosixPath("/etc/ssl/certs/ca-certificates.crt")
    env = variables(bundle)
    assert set(env.values()) == {str(bundle)}
    assert {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "CARGO_HTTP_CAINFO"} <= env.keys()
