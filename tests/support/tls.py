"""A certification authority of a test's own, and certificates that it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Tls:
    """cert_dir: what `--cert-dir` takes; it holds the authority's certificate alone."""

    cert_dir: Path
    certificate: Path
    key: Path


def make_tls(folder: Path) -> Tls:
    """A new authority, and a certificate for 127.0.0.1, in a new folder."""
    cert_dir = folder / "trusted"
    cert_dir.mkdir(parents=True)
    ca, ca_key = cert_dir / "ca.crt", folder / "ca.key"
    certificate, key = folder / "server.pem", folder / "server.key"
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        "req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2",
        "-subj", "/CN=a test's own authority",
    )  # fmt: skip
    _openssl(
        "req", "-x509", *new_key, "-keyout", key, "-out", certificate, "-days", "2",
        "-subj", "/CN=a test's registry", "-addext", "subjectAltName=IP:127.0.0.1",
        "-addext", "basicConstraints=critical,CA:FALSE", "-CA", ca, "-CAkey", ca_key,
    )  # fmt: skip
    return Tls(cert_dir=cert_dir, certificate=certificate, key=key)


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
