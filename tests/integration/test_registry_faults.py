"""Registries that fail, stall, lie and redirect: what is overcome, and what is told."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import RegistryError, UsageError
from oci.image import Descriptor
from oci.layout import Layout
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.publication import Publication
from oci.registries import Registries, RegistryAccess
from oci.registry_clients import RegistryClients
from oci.remote_layers import fetch_layers
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import make_image
from tests.support.registry import PASSWORD, Registry, registry, serve_registry, write_auth_file
from tests.support.registry_faults import IMPATIENT, Fault, Front, serve_faults
from tests.support.tls import make_tls

__all__ = ["registry"]

HOST = Platform.of_host()
NAME = "team/app:1"


@pytest.fixture
def made(registry: Registry, tmp_path: Path) -> Layout:
    """An image that the registry has as team/app:1."""
    layout = make_image(tmp_path / "made", files={"a": "x" * 3000})
    with RegistryClients(registry.registries) as clients:
        publication = Publication(
            layout.read(), layout, [registry.reference(NAME)], clients=clients, origins={}
        )
        publication.push()
        publication.tag()
    return layout


@pytest.fixture
def front(registry: Registry, made: Layout) -> Iterator[Front]:
    with serve_faults(registry) as running:
        yield running


def store_of(front: Front, folder: Path, **options: object) -> ImageStore:
    return ImageStore(folder / "store", Skopeo(CommandRunner(), front.registries(**options)))


def fetch(front: Front, folder: Path, **options: object) -> Digest:
    store = store_of(front, folder, **options)
    return store.fetch(front.location(NAME), HOST, reference=front.reference(NAME)).digest


FAULTS = {
    "503": Fault(status=503),
    "500": Fault(status=500),
    "429": Fault(status=429, headers={"Retry-After": "0"}),
    "reset": Fault(reset=True),
    "truncate": Fault(truncate=True),
}


def fault(kind: str, of: str, times: int = 1_000_000) -> Fault:
    return Fault(**{**vars(FAULTS[kind]), "of": of, "times": times})


# ---- what passes is overcome --------------------------------------------------------------------


@pytest.mark.parametrize("of", ["GET /v2/$", "GET .*/manifests/", "GET .*/blobs/"])
@pytest.mark.parametrize("kind", list(FAULTS))
def test_a_pull_overcomes_what_happens_twice(
    front: Front, made: Layout, tmp_path: Path, kind: str, of: str
) -> None:
    front.add(fault(kind, of, times=2))
    assert fetch(front, tmp_path) == made.read().digest


def test_a_pull_overcomes_a_stall(front: Front, made: Layout, tmp_path: Path) -> None:
    front.add(Fault("GET .*/blobs/", times=1, stall=True))
    assert fetch(front, tmp_path) == made.read().digest


def test_what_a_registry_asks_to_wait_is_waited(front: Front, made: Layout) -> None:
    front.add(Fault("GET .*/manifests/", times=1, status=429, headers={"Retry-After": "1"}))
    began = time.monotonic()
    with RegistryClients(front.registries()) as clients:
        assert clients.manifest(front.reference(NAME)) is not None
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("kind", list(FAULTS))
def test_a_layer_is_fetched_whole_or_not_at_all(
    front: Front, made: Layout, tmp_path: Path, kind: str
) -> None:
    store = store_of(front, tmp_path)
    (layer,) = made.read().manifest.layers
    digest = layer.parsed_digest()
    origins = {digest: (front.reference(NAME),)}
    path = store.blobs / "sha256" / digest.hex
    front.add(fault(kind, "GET .*/blobs/", times=IMPATIENT.tries))
    with RegistryClients(front.registries()) as clients:
        with pytest.raises(RegistryError):
            fetch_layers(store, [layer], origins, clients)
        assert not path.exists()
        fetch_layers(store, [layer], origins, clients)
    assert Digest.of_file(path) == digest


# ---- what does not pass is told -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "said", "code"),
    [
        (fault("503", ""), "the registry HOST fails for .*: it answered 503", 4),
        (fault("reset", ""), "the registry HOST (broke off|cannot be reached) for", 4),
        (Fault(stall=True), "the registry HOST did not answer (within 0.5 s|in time) for", 7),
        (
            Fault("manifests", status=403, body=b'{"errors":[{"code":"DENIED","message":"no"}]}'),
            "HOST/team/app:1: the registry refused access",
            4,
        ),
        (
            Fault("manifests", status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'),
            "HOST/team/app:1 does not exist in its registry",
            4,
        ),
    ],
    ids=["503", "reset", "stall", "403", "404"],
)
def test_a_pull_that_cannot_work_ends_with_cause_and_remedy(
    front: Front, tmp_path: Path, trouble: Fault, said: str, code: int
) -> None:
    front.add(trouble)
    store = store_of(front, tmp_path)
    for bring in (store.fetch, store.fetch_sparse):
        with pytest.raises(RegistryError, match=said.replace("HOST", front.host)) as caught:
            bring(front.location(NAME), HOST, reference=None)
        assert caught.value.exit_code == code
        assert caught.value.hint
    assert store.find(front.reference(NAME), HOST) is None


def test_a_long_wait_is_told_at_once(front: Front) -> None:
    front.add(Fault("manifests", status=429, headers={"Retry-After": "3600"}))
    began = time.monotonic()
    with (
        RegistryClients(front.registries()) as clients,
        pytest.raises(RegistryError, match="limits how often it may be asked"),
    ):
        clients.manifest(front.reference(NAME))
    assert time.monotonic() - began < 1
    assert front.count("manifests") == 1


@pytest.mark.parametrize("part", ["manifests/sha256", "blobs"])
def test_changed_bytes_are_refused(front: Front, made: Layout, part: str) -> None:
    front.add(Fault(f"GET .*/{part}", flip=True))
    image = made.read()
    name = front.reference(NAME).with_digest(image.digest)
    with RegistryClients(front.registries()) as clients:
        work: dict[str, Callable[[], object]] = {
            "manifests/sha256": lambda: clients.manifest(name),
            "blobs": lambda: clients.read_blob(name, image.manifest.config),
        }
        with pytest.raises(RegistryError, match="with another digest"):
            work[part]()


def test_more_bytes_than_promised_are_not_read(front: Front, made: Layout) -> None:
    config = made.read().manifest.config
    small = Descriptor(media_type=config.media_type, digest=config.digest, size=10)
    with (
        RegistryClients(front.registries()) as clients,
        pytest.raises(RegistryError, match="more than the 10 bytes it should have"),
    ):
        clients.read_blob(front.reference(NAME), small)


# ---- who is told what ---------------------------------------------------------------------------


def test_a_redirection_elsewhere_takes_no_credential_along(
    registry: Registry, made: Layout, tmp_path: Path
) -> None:
    config = made.read().manifest.config
    with (
        serve_faults(registry) as elsewhere,
        serve_registry(tmp_path / "guarded", login=True) as guarded,
        serve_faults(guarded) as front,
    ):
        auth = write_auth_file(tmp_path / "auth.json", front.host)
        target = f"http://{elsewhere.host}/v2/team/app/blobs/{config.digest}"
        front.add(Fault("GET .*/blobs/", status=307, headers={"Location": target}))
        # So that it has been asked for its password before.
        with RegistryClients(front.registries(auth_file=auth)) as clients:
            assert clients.manifest(front.reference("none:1")) is None
            got = clients.read_blob(front.reference(NAME), config)
        assert Digest.of(got) == config.parsed_digest()
        assert any(seen.authorization for seen in front.asked)
        assert elsewhere.asked
        assert not any(seen.authorization for seen in elsewhere.asked)


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/x", "file:///etc/passwd", "ftp://x/y"])
def test_a_redirection_out_of_tls_is_refused(
    registry: Registry, tmp_path: Path, location: str
) -> None:
    with serve_faults(registry, tls=make_tls(tmp_path / "tls")) as front:
        front.add(Fault("GET", status=302, headers={"Location": location}))
        with (
            RegistryClients(front.registries()) as clients,
            pytest.raises(RegistryError, match=r"a redirection to .*, which is not safe"),
        ):
            clients.manifest(front.reference(NAME))


def test_redirections_without_end_are_ended(front: Front) -> None:
    front.add(Fault("GET", status=302, headers={"Location": "/v2/again"}))
    with (
        RegistryClients(front.registries()) as clients,
        pytest.raises(RegistryError, match="more than 5 redirections"),
    ):
        clients.manifest(front.reference(NAME))


def test_a_registry_gets_its_own_credential_and_skopeo_no_other(
    front: Front, tmp_path: Path, made: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = tmp_path / "auth.json"
    write_auth_file(auth, "other.example", password="Canary-1")
    store = store_of(front, tmp_path, auth_file=auth)
    # In a place that skopeo would look into by itself.
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    write_auth_file(home / ".docker/config.json", front.host, password="Canary-2")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    store.fetch(front.location(NAME), HOST, reference=None)
    with RegistryClients(front.registries(auth_file=auth)) as clients:
        clients.manifest(front.reference(NAME))
    assert front.asked
    assert not any(seen.authorization for seen in front.asked)


def test_no_credential_is_in_an_argument(front: Front, tmp_path: Path) -> None:
    auth = write_auth_file(tmp_path / "auth.json", front.host)
    front.add(Fault("GET .*/blobs/", times=1, stall=True))
    seen: list[str] = []

    def look() -> None:
        while not front.count("GET .*/blobs/"):
            time.sleep(0.01)
        argv = ["ps", "-ewwo", "args"]
        seen.append(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    thread = threading.Thread(target=look)
    thread.start()
    fetch(front, tmp_path, auth_file=auth)
    thread.join()
    (text,) = seen
    assert f"docker://{front.host}/{NAME}" in text, "it was looked at while skopeo ran"
    assert PASSWORD not in text
    assert str(auth) not in text


# ---- TLS and mirrors ----------------------------------------------------------------------------


def test_insecure_is_for_the_host_that_was_named_only(registry: Registry, tmp_path: Path) -> None:
    with serve_faults(registry, tls=make_tls(tmp_path / "tls")) as front:
        careful = Registries(
            CommandRunner(),
            RegistryAccess(insecure=frozenset({"other.example"}), patience=IMPATIENT),
        )
        for insecure, refused in ((careful, True), (front.registries(cert_dir=None), True)):
            skopeo = Skopeo(CommandRunner(), insecure)
            with pytest.raises(RegistryError, match="is not trusted"):
                skopeo.remote_image(front.location(NAME), platform=HOST)
            with (
                RegistryClients(insecure) as clients,
                pytest.raises(RegistryError, match="is not trusted"),
            ):
                clients.manifest(front.reference(NAME))
            assert refused
        loose = front.registries(cert_dir=None, insecure=frozenset({front.host}))
        with RegistryClients(loose) as clients:
            assert clients.manifest(front.reference("none:1")) is None


def test_a_mirror_is_asked_first_and_the_registry_when_it_fails(
    registry: Registry, made: Layout, tmp_path: Path
) -> None:
    digest = made.read().digest
    with serve_faults(registry) as mirror, serve_faults(registry) as own:
        access = own.access(
            insecure=frozenset({own.host, mirror.host}), mirrors={own.host: (mirror.host,)}
        )
        registries = Registries(CommandRunner(), access)
        with RegistryClients(registries) as clients:
            assert clients.manifest(own.reference(NAME)) is not None
        Skopeo(CommandRunner(), registries).copy(
            own.location(NAME), ImageLocation.layout(tmp_path / "one", "x"), platform=HOST
        )
        assert Layout(tmp_path / "one").read().digest == digest
        assert mirror.asked
        assert not own.asked
        mirror.add(Fault(status=404))
        with RegistryClients(registries) as clients:
            assert clients.manifest(own.reference(NAME)) is not None
        Skopeo(CommandRunner(), registries).copy(
            own.location(NAME), ImageLocation.layout(tmp_path / "two", "x"), platform=HOST
        )
        assert Layout(tmp_path / "two").read().digest == digest
        assert own.asked


def test_what_is_pushed_never_goes_to_a_mirror(
    registry: Registry, made: Layout, tmp_path: Path
) -> None:
    with serve_faults(registry) as mirror, serve_faults(registry) as own:
        access = own.access(
            insecure=frozenset({own.host, mirror.host}), mirrors={"*": (mirror.host,)}
        )
        with RegistryClients(Registries(CommandRunner(), access)) as clients:
            publication = Publication(
                made.read(), made, [own.reference("new/app:1")], clients=clients, origins={}
            )
            publication.push()
            publication.tag()
        assert own.asked
        assert not mirror.asked


@pytest.mark.parametrize("name", ["broken.crt", "me.cert"])
def test_a_bad_file_of_the_folder_of_certificates_is_named(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    tls = make_tls(tmp_path / "tls")
    (tls.cert_dir / name).write_text("no certificate")
    with (
        serve_faults(registry, tls=tls) as front,
        RegistryClients(front.registries()) as clients,
        pytest.raises(UsageError, match=rf"{name}: cannot be read as a certificate"),
    ):
        clients.manifest(front.reference(NAME))
