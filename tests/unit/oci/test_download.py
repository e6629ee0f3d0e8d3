"""Downloads from a real server on the loopback."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.download import Downloads, Freshness
from oci.errors import ImageError, UsageError
from oci.patience import Patience
from oci.web_address import WebAddress, is_web_address
from tests.support.tls import make_tls
from tests.support.web_files import Answer, WebFiles, serve_files

BODY = b"what a test serves\n" * 1000
PIN = str(Digest.of(BODY)).replace(":", "=")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebFiles]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serve_files() as files:
        files.files["/a.tgz"] = Answer(BODY)
        yield files


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(
        tmp_path / "downloads", patience=Patience(tries=3, pause_seconds=0), max_bytes=1 << 20
    )


def fetch(
    downloads: Downloads, url: str, freshness: Freshness = Freshness.IF_ABSENT
) -> tuple[bytes, Digest]:
    found = downloads.fetch(WebAddress.parse(url), freshness)
    return found.path.read_bytes(), found.digest


def test_a_file_is_fetched_once_and_then_taken_from_here(
    server: WebFiles, downloads: Downloads
) -> None:
    url = server.url("/a.tgz")
    assert fetch(downloads, url) == (BODY, Digest.of(BODY))
    assert fetch(downloads, url) == (BODY, Digest.of(BODY))
    assert fetch(downloads, url, Freshness.NEVER) == (BODY, Digest.of(BODY))
    assert len(server.requests) == 1


def test_always_asks_whether_it_changed(server: WebFiles, downloads: Downloads) -> None:
    url = server.url("/a.tgz")
    for _ in range(2):
        assert fetch(downloads, url, Freshness.ALWAYS)[0] == BODY
    server.files["/a.tgz"] = Answer(b"newer")
    assert fetch(downloads, url, Freshness.ALWAYS)[0] == b"newer"
    assert [one.status for one in server.requests] == [200, 304, 200]
    assert fetch(downloads, url, Freshness.NEVER)[0] == b"newer"


def test_a_server_without_etags_is_asked_by_time(server: WebFiles, downloads: Downloads) -> None:
    when = "Sun, 22 Nov 2026 10:00:00 GMT"
    server.files["/a.tgz"] = Answer(BODY, etag=False, headers={"Last-Modified": when})
    fetch(downloads, server.url("/a.tgz"))
    fetch(downloads, server.url("/a.tgz"), Freshness.ALWAYS)
    assert server.requests[1].headers["If-Modified-Since"] == when


def test_never_fetches_nothing(server: WebFiles, downloads: Downloads) -> None:
    with pytest.raises(ImageError, match=r"/a\.tgz was not downloaded yet, and --pull-policy"):
        fetch(downloads, server.url("/a.tgz"), Freshness.NEVER)
    assert server.requests == []


def test_what_is_damaged_here_is_fetched_anew(server: WebFiles, downloads: Downloads) -> None:
    url = server.url("/a.tgz")
    path = downloads.fetch(WebAddress.parse(url), Freshness.IF_ABSENT).path
    path.write_bytes(b"short")
    assert fetch(downloads, url, Freshness.ALWAYS)[0] == BODY
    assert "If-None-Match" not in server.requests[1].headers


def test_a_pinned_file_is_checked_and_never_asked_for_again(
    server: WebFiles, downloads: Downloads
) -> None:
    url = server.url("/a.tgz")
    pinned = f"{url}#{PIN}"
    assert fetch(downloads, pinned)[0] == BODY
    server.files["/a.tgz"] = Answer(b"another")
    assert fetch(downloads, pinned, Freshness.ALWAYS)[0] == BODY
    assert len(server.requests) == 1


def test_another_content_than_the_pinned_one_is_refused_and_not_kept(
    server: WebFiles, downloads: Downloads, tmp_path: Path
) -> None:
    server.files["/a.tgz"] = Answer(b"another")
    with pytest.raises(ImageError, match="the file has the digest sha256:"):
        fetch(downloads, f"{server.url('/a.tgz')}#{PIN}")
    assert list((tmp_path / "downloads/files").iterdir()) == []
    assert list((tmp_path / "downloads/tmp").iterdir()) == []


@pytest.mark.parametrize("answer", [Answer(BODY, status=(503, 429, 200))])
def test_a_busy_server_gets_another_try(
    server: WebFiles, downloads: Downloads, answer: Answer
) -> None:
    server.files["/a.tgz"] = answer
    assert fetch(downloads, server.url("/a.tgz"))[0] == BODY
    assert [one.status for one in server.requests] == [503, 429, 200]


def test_a_server_that_wants_to_be_left_alone_for_long_is_told_at_once(
    server: WebFiles, downloads: Downloads
) -> None:
    server.files["/a.tgz"] = Answer(status=(503,), headers={"Retry-After": "3600"})
    with pytest.raises(ImageError, match="its server answers with 503"):
        fetch(downloads, server.url("/a.tgz"))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "message", "requests"),
    [
        (Answer(status=(500,)), "its server answers with 500", 3),
        (Answer(status=(404,)), r"/b\.tgz does not exist \(404\)", 1),
        (Answer(status=(403,)), r"access refused \(403\)", 1),
        (Answer(status=(418,)), "its server answers with 418", 1),
        (Answer(BODY, cut=7), "cannot be fetched", 3),
        (Answer(bytes((1 << 20) + 1)), "is bigger than 1048576 bytes", 1),
        (Answer(status=(302,), headers={"Location": "ftp://x/y"}), "redirected to 'ftp'", 1),
        (Answer(status=(302,), headers={"Location": "file:///etc/passwd"}), "to 'file'", 1),
        (Answer(status=(302,), headers={"Location": "http://[x"}), "to what is no address", 1),
        (Answer(status=(302,), headers={"Location": "/b.tgz"}), "more than 5 redirections", 6),
    ],
)
def test_what_fails_is_named_and_leaves_nothing(
    server: WebFiles,
    downloads: Downloads,
    tmp_path: Path,
    answer: Answer,
    message: str,
    requests: int,
) -> None:
    server.files["/b.tgz"] = answer
    with pytest.raises(ImageError, match=message):
        fetch(downloads, server.url("/b.tgz"))
    assert len(server.requests) == requests
    for folder in ("urls", "files", "tmp"):
        assert list((tmp_path / "downloads" / folder).iterdir()) == []


def test_a_promise_of_too_much_is_not_waited_for(server: WebFiles, downloads: Downloads) -> None:
    server.files["/big"] = Answer(bytes((1 << 20) + 1), cut=1 << 20)
    with pytest.raises(ImageError, match="is bigger than"):
        fetch(downloads, server.url("/big"))


def test_redirections_are_followed_and_credentials_stay_with_their_host(
    server: WebFiles, downloads: Downloads
) -> None:
    with serve_files() as other:
        other.files["/moved.tgz"] = Answer(BODY)
        moved = {"Location": other.url("/moved.tgz")}
        server.files["/old.tgz"] = Answer(status=(302,), headers=moved)
        url = server.url("/old.tgz").replace("://", "://me:s3cret@")
        assert fetch(downloads, url)[0] == BODY
        assert server.requests[0].headers["Authorization"].startswith("Basic ")
        assert "Authorization" not in other.requests[0].headers


def test_credentials_and_signatures_are_not_repeated(
    server: WebFiles, downloads: Downloads, tmp_path: Path
) -> None:
    url = server.url("/none.tgz?signature=s3cret2").replace("://", "://me:s3cret1@")
    with pytest.raises(ImageError) as caught:
        fetch(downloads, url)
    told = f"{caught.value.message} {caught.value.details} {caught.value.hint}"
    assert "s3cret" not in told
    assert "s3cret" not in repr(WebAddress.parse(url))
    server.files["/none.tgz"] = Answer(BODY)
    fetch(downloads, url)
    kept = b"".join(p.read_bytes() for p in (tmp_path / "downloads/urls").iterdir())
    assert b"s3cret" not in kept


def test_tls_is_checked_with_the_host_s_certificates_and_those_given(
    server: WebFiles, downloads: Downloads, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path / "tls")
    with serve_files(tls) as secure:
        secure.files["/a.tgz"] = Answer(BODY)
        secure.files["/down"] = Answer(status=(302,), headers={"Location": server.url("/a.tgz")})
        with pytest.raises(ImageError, match="certificate of its server is not trusted") as caught:
            fetch(downloads, secure.url("/a.tgz"))
        assert "--ca-cert" in caught.value.hint
        trusting = Downloads(
            tmp_path / "d2", ca_file=tls.cert_dir / "ca.crt", patience=Patience(tries=1)
        )
        assert fetch(trusting, secure.url("/a.tgz"))[0] == BODY
        with pytest.raises(ImageError, match="redirected to 'http', which is not safe"):
            fetch(trusting, secure.url("/down"))


def test_a_server_that_speaks_no_tls_is_told(server: WebFiles, downloads: Downloads) -> None:
    with pytest.raises(ImageError, match="does not speak TLS"):
        fetch(downloads, server.url("/a.tgz").replace("http:", "https:"))


def test_no_server_and_no_host(downloads: Downloads, server: WebFiles) -> None:
    with pytest.raises(ImageError, match="cannot be fetched") as caught:
        fetch(downloads, "http://127.0.0.1:9/x.tgz")
    assert "refused" in caught.value.details[0]
    with pytest.raises(ImageError, match=r"host\.invalid/x\.tgz"):
        fetch(downloads, "http://host.invalid/x.tgz")


def test_proxies_of_the_environment_are_used(
    server: WebFiles, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["http://files.example/a.tgz"] = Answer(BODY)
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(downloads, "http://files.example/a.tgz")[0] == BODY
    assert fetch(downloads, server.url("/a.tgz"))[0] == BODY
    assert [one.path for one in server.requests] == ["http://files.example/a.tgz", "/a.tgz"]


def test_what_nobody_used_for_long_goes(
    server: WebFiles, downloads: Downloads, tmp_path: Path
) -> None:
    server.files["/old.tgz"] = Answer(b"old")
    old = downloads.fetch(WebAddress.parse(server.url("/old.tgz")), Freshness.IF_ABSENT).path
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    fetch(downloads, server.url("/a.tgz"))
    assert old.exists()  # in use: its process still runs
    downloads.leases.release()
    server.files["/b.tgz"] = Answer(b"b")
    os.utime(old, (long_ago, long_ago))
    fetch(downloads, server.url("/b.tgz"))
    assert not old.exists()
    assert fetch(downloads, server.url("/old.tgz"))[0] == b"old"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https:///file.tgz", "names no host"),
        ("https://host:x/file.tgz", "cannot be read"),
        ("https://ho st/file.tgz", "percent-encoded"),
        ("https://host/ä.tgz", "percent-encoded"),
        ("https://host/f\n.tgz", "percent-encoded"),
        ("https://host/f.tgz#md5:00", "not a digest: 'md5:00'"),
        ("https://me:s3cret@host/f.tgz#sha256:00", "not a digest: 'sha256:00'"),
        ("https://me:s3cret@host:x/f.tgz", "cannot be read"),
    ],
)
def test_a_bad_address_is_refused(text: str, message: str) -> None:
    assert is_web_address(text)
    with pytest.raises(UsageError, match=message) as caught:
        WebAddress.parse(text)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("text", ["http:/x", "/https://x", "docker://x", "https", ""])
def test_other_texts_are_no_addresses(text: str) -> None:
    assert not is_web_address(text)
