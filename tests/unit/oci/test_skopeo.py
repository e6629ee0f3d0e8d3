"""skopeo: what it is asked, and what its failures mean."""

import errno
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import Error, ImageError, RegistryError, StorageError
from oci.image import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from oci.location import ImageLocation
from oci.patience import Patience
from oci.platform import Platform
from oci.process import CommandRunner, Stream
from oci.reference import Reference
from oci.registries import Registries, RegistryAccess
from oci.skopeo import Skopeo, Way, copy_argv, inspect_argv
from tests.support.fake_tools import FakeTools
from tests.support.images import describe, encode

AMD64 = Platform("linux", "amd64")
APP = ImageLocation.registry(Reference.parse("registry.example/team/app:1"))
LAYOUT = ImageLocation.layout(Path("/store/image"), "latest")
WAY = Way(
    auth_file=Path("/dev/fd/5"),
    cert_dir=Path("/certs"),
    tls_verify=False,
    registries_conf=Path("/dev/fd/6"),
)


def test_a_copy_says_platform_and_both_places_and_that_skopeo_looks_for_no_credential() -> None:
    assert copy_argv(APP, LAYOUT, platform=AMD64, way=Way()) == (
        "skopeo",
        "--override-os", "linux",
        "--override-arch", "amd64",
        "copy",
        "--src-no-creds",
        "--",
        "docker://registry.example/team/app:1",
        "oci:/store/image:latest",
    )  # fmt: skip


def test_access_options_stand_on_the_side_of_the_registry() -> None:
    argv = copy_argv(
        APP, LAYOUT, platform=Platform("linux", "arm", "v7"), way=WAY,
        preserve_digests=True, quiet=True,
    )  # fmt: skip
    assert argv == (
        "skopeo",
        "--override-os", "linux",
        "--override-arch", "arm",
        "--override-variant", "v7",
        "--registries-conf", "/dev/fd/6",
        "copy",
        "--quiet",
        "--preserve-digests",
        "--src-authfile", "/dev/fd/5",
        "--src-cert-dir", "/certs",
        "--src-tls-verify=false",
        "--",
        "docker://registry.example/team/app:1",
        "oci:/store/image:latest",
    )  # fmt: skip
    other_way = copy_argv(LAYOUT, APP, platform=AMD64, way=WAY)
    assert {"--dest-authfile", "--dest-cert-dir", "--dest-tls-verify=false"} < set(other_way)
    assert not [option for option in other_way if option.startswith("--src-")]


@pytest.mark.parametrize("config", [False, True])
def test_an_inspection_asks_for_raw_documents(config: bool) -> None:
    assert inspect_argv(APP, platform=AMD64, way=WAY, config=config) == (
        "skopeo",
        "--override-os", "linux",
        "--override-arch", "amd64",
        "--registries-conf", "/dev/fd/6",
        "inspect",
        "--raw",
        *(("--config",) if config else ()),
        "--authfile", "/dev/fd/5",
        "--cert-dir", "/certs",
        "--tls-verify=false",
        "--",
        "docker://registry.example/team/app:1",
    )  # fmt: skip


def test_places_that_are_no_registry_get_no_access_options() -> None:
    argv = inspect_argv(LAYOUT, platform=AMD64, way=WAY)
    assert argv[-2:] == ("--", "oci:/store/image:latest")
    assert "--authfile" not in argv


@pytest.fixture
def skopeo() -> Skopeo:
    runner = CommandRunner()
    patience = Patience(pause_seconds=0)
    return Skopeo(runner, Registries(runner, RegistryAccess(patience=patience)))


def test_a_copy_runs_skopeo_and_streams_its_lines(skopeo: Skopeo, fake_tools: FakeTools) -> None:
    fake = fake_tools.install("skopeo", stdout="Copying blob\n")
    lines: list[str] = []

    def receive(_: Stream, line: str) -> None:
        lines.append(line)

    skopeo.copy(APP, LAYOUT, platform=AMD64, on_line=receive)
    assert lines == ["Copying blob"]
    expected = copy_argv(APP, LAYOUT, platform=AMD64)
    assert fake.call.arguments == expected[1:]


def failure(skopeo: Skopeo, fake_tools: FakeTools, said: str) -> Error:
    """What becomes of skopeo's words when a copy from a registry fails."""
    fake_tools.install("skopeo", exit_code=1, stderr=f'time="now" level=fatal msg="{said}"\n')
    with pytest.raises(Error) as caught:
        skopeo.copy(APP, LAYOUT, platform=AMD64)
    return caught.value


PINGING = 'initializing source: pinging container registry registry.example: Get "https://x/v2/": '


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "reading manifest 1: unauthorized: authentication required",
            "registry.example/team/app:1: the registry refused access",
        ),
        (
            "reading manifest 1: denied: requested access to the resource is denied",
            "registry.example/team/app:1: the registry refused access",
        ),
        (
            "reading manifest 1 in registry.example/team/app: manifest unknown",
            "registry.example/team/app:1 does not exist in its registry",
        ),
        (
            "reading manifest: name unknown: repository name not known to registry",
            "registry.example/team/app:1 does not exist in its registry",
        ),
        (
            "choosing image instance: no image found in manifest list for architecture amd64",
            "registry.example/team/app:1 has no image for this platform",
        ),
        (
            PINGING + "dial tcp: lookup registry.example: no such host",
            "the registry registry.example cannot be reached for registry.example/team/app:1",
        ),
        (
            PINGING + "dial tcp 192.0.2.1:443: i/o timeout",
            "the registry registry.example did not answer in time for registry.example/team/app:1",
        ),
        (
            PINGING + "received unexpected HTTP status: 503 Service Unavailable",
            "the registry registry.example fails for registry.example/team/app:1: it answered 503",
        ),
        (
            "reading blob sha256:1: read tcp 127.0.0.1:1: connection reset by peer",
            "the registry registry.example broke off for registry.example/team/app:1, again and "
            "again",
        ),
        (
            PINGING + "x509: certificate signed by unknown authority",
            "the certificate of the registry registry.example is not trusted",
        ),
        (
            PINGING + "http: server gave HTTP response to HTTPS client",
            "the registry registry.example speaks HTTP, not HTTPS",
        ),
        (
            "reading manifest: toomanyrequests: You have reached your pull rate limit",
            "the registry registry.example limits how often it may be asked for "
            "registry.example/team/app:1",
        ),
        (
            "reading blob: something new",
            "skopeo could not copy docker://registry.example/team/app:1 to oci:/store/image:latest",
        ),
    ],
)
def test_what_skopeo_says_becomes_cause_and_remedy(
    skopeo: Skopeo, fake_tools: FakeTools, said: str, message: str
) -> None:
    error = failure(skopeo, fake_tools, said)
    assert isinstance(error, RegistryError)
    assert error.message == message
    assert said in error.details[-1]
    assert error.hint


@pytest.mark.parametrize(
    "said",
    [
        "Source image rejected: Running image docker://registry.example/x:1 is rejected by policy.",
        "Source image rejected: A signature was required, but no signature exists",
    ],
)
def test_what_the_host_s_policy_refuses_is_no_fault_of_the_registry(
    skopeo: Skopeo, fake_tools: FakeTools, said: str
) -> None:
    error = failure(skopeo, fake_tools, said)
    assert error.message == f"the policy of this host refuses {APP}"
    assert "policy.json" in error.hint
    assert said in error.details[-1]


@pytest.mark.parametrize("said", ["no space left on device", "disk quota exceeded"])
def test_a_full_disk_is_no_fault_of_the_registry(
    skopeo: Skopeo, fake_tools: FakeTools, said: str
) -> None:
    error = failure(skopeo, fake_tools, f"writing blob: write /x: {said}: unexpected EOF")
    assert isinstance(error, StorageError)
    assert error.message == "the disk is full (while copying to oci:/store/image:latest)"


def test_a_file_that_may_not_be_written_is_not_the_registry_s_refusal(
    skopeo: Skopeo, fake_tools: FakeTools
) -> None:
    error = failure(skopeo, fake_tools, "mkdir /store/image: permission denied")
    assert "refused access" not in error.message


def test_the_registry_that_is_pushed_to_is_named(skopeo: Skopeo, fake_tools: FakeTools) -> None:
    fake_tools.install("skopeo", exit_code=1, stderr="denied: no push for you\n")
    with pytest.raises(RegistryError, match=r"^registry\.example/team/app:1: .* refused access"):
        skopeo.copy(LAYOUT, APP, platform=AMD64)


@pytest.mark.parametrize(
    ("said", "blamed"),
    [
        (
            "initializing source docker://x: reading manifest 1: unauthorized: no",
            "registry.example",
        ),
        ("reading blob sha256:1: unauthorized: no", "registry.example"),
        ("initializing destination docker://y: unauthorized: no", "other.example"),
        ("writing manifest: uploading manifest 1 to other.example: denied", "other.example"),
        ("trying to reuse blob sha256:1 at destination: denied", "other.example"),
    ],
)
def test_between_two_registries_the_side_that_failed_is_named(
    skopeo: Skopeo, fake_tools: FakeTools, said: str, blamed: str
) -> None:
    fake_tools.install("skopeo", exit_code=1, stderr=f"{said}\n")
    other = ImageLocation.registry(Reference.parse("other.example/team/app:1"))
    with pytest.raises(RegistryError, match=rf"^{blamed}/team/app:1: the registry refused access"):
        skopeo.copy(APP, other, platform=AMD64)


@pytest.mark.parametrize(
    ("said", "tries"),
    [
        ("received unexpected HTTP status: 502 Bad Gateway", 5),
        ("toomanyrequests: slow down", 1),
        ("read tcp: connection reset by peer", 5),
        ("invalid character '|' after object key:value pair", 5),
        ("unexpected EOF", 5),
        ("writing blob: happened during read: Digest did not match, expected sha256:1, got 2", 5),
        ("Manifest does not match provided manifest digest sha256:1", 5),
        ("Download config.json digest sha256:1 does not match expected sha256:2", 5),
        ("dial tcp 192.0.2.1:443: i/o timeout", 2),
        ("Error fetching blob: invalid status code from registry 503 (Service Unavailable)", 5),
        ("manifest unknown", 1),
        ("unauthorized", 1),
    ],
)
def test_what_may_pass_is_tried_again_what_will_not_is_not(
    skopeo: Skopeo, fake_tools: FakeTools, said: str, tries: int
) -> None:
    fake = fake_tools.install("skopeo", exit_code=1, stderr=f"{said}\n")
    with pytest.raises(RegistryError):
        skopeo.copy(APP, LAYOUT, platform=AMD64)
    assert len(fake.calls) == tries


def test_a_missing_folder_is_named(skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path) -> None:
    fake_tools.install("skopeo", exit_code=1, stderr=f"lstat: {errno.ENOENT}\n")
    with pytest.raises(ImageError, match=r"no such file or folder: .*gone"):
        skopeo.copy(ImageLocation.layout(tmp_path / "gone"), LAYOUT, platform=AMD64)


def serve(fake_tools: FakeTools, folder: Path, documents: dict[str, bytes]) -> None:
    """A skopeo whose `inspect` prints the document of that name and option."""
    branches = []
    for number, (call, document) in enumerate(documents.items()):
        (folder / str(number)).write_bytes(document)
        branches.append(f"*'{call}') exec /usr/bin/env cat '{folder / str(number)}';;")
    fake_tools.install("skopeo", script=f'case "$*" in {" ".join(branches)} *) exit 9;; esac')


CONFIG = encode({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}})
MANIFEST = encode({"schemaVersion": 2, "config": describe(CONFIG, OCI_CONFIG), "layers": []})
NAME = "docker://registry.example/team/app"


@pytest.mark.parametrize("size", [0, len(MANIFEST) - 10])
def test_a_document_that_came_short_is_asked_for_again_and_told(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path, size: int
) -> None:
    serve(fake_tools, tmp_path, {f"--raw --no-creds -- {NAME}:1": MANIFEST[:size]})
    with pytest.raises(RegistryError, match="what came from the registry is damaged") as caught:
        skopeo.remote_image(APP, platform=AMD64)
    assert "try again" in caught.value.hint


def test_documents_of_a_remote_image_are_read_by_digest_after_the_first_look(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path
) -> None:
    serve(
        fake_tools,
        tmp_path,
        {
            f"--raw --no-creds -- {NAME}:1": MANIFEST,
            f"--raw --config --no-creds -- {NAME}@{Digest.of(MANIFEST)}": CONFIG,
        },
    )
    remote = skopeo.remote_image(APP, platform=AMD64)
    assert remote.digest == Digest.of(MANIFEST)
    assert (remote.manifest_bytes, remote.config_bytes) == (MANIFEST, CONFIG)
    assert remote.config.architecture == "amd64"


def test_a_manifest_that_does_not_say_its_type_is_an_oci_manifest(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path
) -> None:
    pinned = f"{NAME}@{Digest.of(MANIFEST)}"
    serve(fake_tools, tmp_path, {f"--config --no-creds -- {pinned}": CONFIG, ":1": MANIFEST})
    assert skopeo.remote_image(APP, platform=AMD64).media_type == OCI_MANIFEST


def test_the_platform_s_image_of_an_index_is_read(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path
) -> None:
    entry = {
        **describe(MANIFEST, OCI_MANIFEST),
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    other = {**describe(b"x", OCI_MANIFEST), "platform": {"os": "linux", "architecture": "s390x"}}
    index = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [other, entry]})
    serve(
        fake_tools,
        tmp_path,
        {
            f"--config --no-creds -- {NAME}@{Digest.of(MANIFEST)}": CONFIG,
            f"--raw --no-creds -- {NAME}@{Digest.of(MANIFEST)}": MANIFEST,
            f"{NAME}:1": index,
        },
    )
    assert skopeo.remote_image(APP, platform=AMD64).digest == Digest.of(MANIFEST)
    with pytest.raises(ImageError, match="has no image for linux/arm64"):
        skopeo.remote_image(APP, platform=Platform("linux", "arm64"))


def test_a_configuration_of_another_digest_is_refused(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path
) -> None:
    pinned = f"{NAME}@{Digest.of(MANIFEST)}"
    documents = {f"--config --no-creds -- {pinned}": CONFIG + b" ", ":1": MANIFEST}
    serve(fake_tools, tmp_path, documents)
    with pytest.raises(ImageError, match="does not have the digest that was promised"):
        skopeo.remote_image(APP, platform=AMD64)


def test_an_artifact_without_configuration_is_refused(
    skopeo: Skopeo, fake_tools: FakeTools, tmp_path: Path
) -> None:
    artifact = {"schemaVersion": 2, "layers": [describe(b"x", OCI_LAYER_GZIP)]}
    serve(fake_tools, tmp_path, {":1": encode(artifact)})
    with pytest.raises(ImageError, match="the manifest cannot be read"):
        skopeo.remote_image(APP, platform=AMD64)
