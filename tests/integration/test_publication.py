"""Images into real registries: what moves, in which order, and what a failure leaves."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import RegistryError
from oci.layout import Layout
from oci.location import ImageLocation
from oci.moved import Moved
from oci.platform import Platform
from oci.process import CommandRunner
from oci.publication import Publication
from oci.reference import Reference
from oci.registries import Registries, RegistryAccess
from oci.registry_clients import RegistryClients
from oci.skopeo import Skopeo
from tests.support.images import make_image, tar_layer
from tests.support.registry import Registry, guarded, registry, serve_registry, write_auth_file
from tests.support.registry_faults import Fault, Front, serve_faults
from tests.support.tls import Tls, make_tls

__all__ = ["guarded", "registry"]

HOST = Platform.of_host()
BASE = tar_layer({"etc/base": "b" * 5000})
APP = tar_layer({"workspace/app": "a"})


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path / "tls")


@pytest.fixture
def front(registry: Registry) -> Iterator[Front]:
    with serve_faults(registry) as running:
        yield running


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An application's layer on a base layer."""
    return make_image(tmp_path / "image", layers=[BASE, APP], labels={"made": "here"})


def publish(
    layout: Layout,
    registries: Registries,
    *targets: Reference,
    origins: Mapping[Digest, tuple[Reference, ...]] | None = None,
) -> tuple[Moved, ...]:
    with RegistryClients(registries) as clients:
        publication = Publication(
            layout.read(), layout, targets, clients=clients, origins=origins or {}
        )
        moved = publication.push()
        publication.tag()
    return moved


def pulled(registries: Registries, place: ImageLocation, folder: Path) -> Digest:
    """What skopeo gets under that name, whole."""
    skopeo = Skopeo(CommandRunner(), registries)
    skopeo.copy(place, ImageLocation.layout(folder, "latest"), platform=HOST)
    made = Layout(folder)
    assert not made.missing_layers(made.read())
    return made.read().digest


def sizes(layout: Layout) -> tuple[int, int, int]:
    """Of the base layer, the application's, and of the two documents."""
    image = layout.read()
    base, app = image.manifest.layers
    return base.size, app.size, len(image.manifest_bytes) + len(image.config_bytes)


def without_base(layout: Layout) -> Digest:
    """The base layer is no longer on this host; its digest."""
    base = layout.read().layer_digests[0]
    layout.blob_path(base).unlink()
    return base


def test_what_was_published_is_what_others_pull(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    (moved,) = publish(layout, registry.registries, registry.reference("team/app:1"))
    digest = layout.read().digest
    assert pulled(registry.registries, registry.location("team/app:1"), tmp_path / "p") == digest
    assert moved == Moved(repository=f"{registry.host}/team/app", sent=sum(sizes(layout)))


def test_nothing_moves_when_everything_is_there(registry: Registry, layout: Layout) -> None:
    publish(layout, registry.registries, registry.reference("team/app:1"))
    before = len(registry.asked())
    (moved,) = publish(layout, registry.registries, registry.reference("team/app:2"))
    assert (moved.sent, moved.present) == (0, sum(sizes(layout)))
    assert not [r for r in registry.requests()[before:] if r.startswith(("POST", "PATCH"))]


def test_a_private_ca_and_a_password(guarded: Registry, layout: Layout, tmp_path: Path) -> None:
    publish(layout, guarded.registries, guarded.reference("team/app:1"))
    digest = layout.read().digest
    assert pulled(guarded.registries, guarded.location("team/app:1"), tmp_path / "p") == digest


def test_a_registry_that_wants_tokens_gets_one_for_each_scope(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    tls = make_tls(tmp_path / "tls")
    with serve_faults(registry, tls=tls, token=True, token_uses=4) as front:
        auth_file = write_auth_file(tmp_path / "auth.json", front.host)
        registries = front.registries(auth_file=auth_file)
        publish(layout, registries, front.reference("team/app:1"))
        assert ("repository:team/app:pull,push",) in front.scopes
        # They expired more than once in the middle.
        assert len(front.scopes) > 3
        place = front.location("team/app:1")
        # skopeo keeps the one that it has: it gets one that lasts.
        front.token_uses = 1000
        assert pulled(registries, place, tmp_path / "p") == layout.read().digest
        passwords = [s for s in front.asked if s.authorization.startswith("Basic")]
        assert passwords
        assert {s.path.partition("?")[0] for s in passwords} == {"/token"}


def test_a_layer_of_another_repository_is_mounted_and_moves_no_byte(
    registry: Registry, layout: Layout
) -> None:
    run_image = make_image(layout.path.parent / "run", layers=[BASE])
    publish(run_image, registry.registries, registry.reference("base/run:1"))
    base = without_base(layout)
    before = len(registry.asked())
    (moved,) = publish(
        layout,
        registry.registries,
        registry.reference("team/app:1"),
        origins={base: (registry.reference("base/run:1"),)},
    )
    base_size, app_size, documents = sizes(layout)
    assert (moved.mounted, moved.sent, moved.copied) == (base_size, app_size + documents, 0)
    assert not [r for r in registry.requests()[before:] if r.startswith("GET") and str(base) in r]


def test_a_layer_of_another_registry_is_copied_and_never_on_this_disk(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "other") as other:
        run_image = make_image(tmp_path / "run", layers=[BASE])
        publish(run_image, other.registries, other.reference("base/run:1"))
        base = without_base(layout)
        both = Registries(
            CommandRunner(),
            RegistryAccess(insecure=frozenset({registry.host, other.host})),
        )
        (moved,) = publish(
            layout,
            both,
            registry.reference("team/app:1"),
            origins={base: (other.reference("base/run:1"),)},
        )
    base_size, app_size, documents = sizes(layout)
    assert (moved.copied, moved.sent) == (base_size, app_size + documents)
    assert not layout.has_blob(base)
    digest = layout.read().digest
    assert pulled(registry.registries, registry.location("team/app:1"), tmp_path / "p") == digest


def test_tags_come_last_in_every_repository(registry: Registry, layout: Layout) -> None:
    targets = [registry.reference(name) for name in ("team/app:1", "team/app:latest", "b/app:1")]
    publish(layout, registry.registries, *targets)
    digest = layout.read().digest
    puts = [r for r in registry.requests() if r.startswith("PUT") and "/manifests/" in r]
    assert puts == [
        f"PUT /v2/team/app/manifests/{digest}",
        f"PUT /v2/b/app/manifests/{digest}",
        "PUT /v2/team/app/manifests/1",
        "PUT /v2/team/app/manifests/latest",
        "PUT /v2/b/app/manifests/1",
    ]
    last = max(i for i, r in enumerate(registry.requests()) if "/blobs/" in r)
    assert registry.requests().index("PUT /v2/team/app/manifests/1") > last


def test_content_that_fails_in_one_repository_leaves_no_tag_in_any(
    front: Front, registry: Registry, layout: Layout
) -> None:
    front.add(Fault("POST /v2/b/app/", status=403))
    with pytest.raises(RegistryError, match=r"/b/app@sha256:[0-9a-f]+: .* refused access"):
        publish(
            layout, front.registries(), front.reference("team/app:1"), front.reference("b/app:1")
        )
    assert not (registry.data / "docker/registry/v2/repositories/team/app/_manifests/tags").exists()


def test_a_tag_that_fails_says_which_exist(front: Front, layout: Layout) -> None:
    front.add(Fault("PUT .*/manifests/2$", status=403))
    targets = [front.reference(f"team/app:{tag}") for tag in ("1", "2", "3")]
    with pytest.raises(RegistryError) as caught:
        publish(layout, front.registries(), *targets)
    assert f"these names have the new image already: {targets[0]}" in caught.value.details
    assert f"this one does not: {targets[1]}" in caught.value.details
    assert not front.count("PUT .*/manifests/3$")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"reset": True},
        {"stall": True},
    ],
    ids=["503", "500", "429", "reset", "stall"],
)
@pytest.mark.parametrize("request_of", ["HEAD", "POST", "PATCH", "PUT .*/blobs/", "PUT .*manif"])
def test_a_fault_of_any_request_is_overcome(
    front: Front, layout: Layout, fault: dict[str, object], request_of: str
) -> None:
    front.add(Fault(request_of, times=2, **fault))  # type: ignore[arg-type]
    publish(layout, front.registries(), front.reference("team/app:1"))
    with RegistryClients(front.registries()) as clients:
        found = clients.manifest(front.reference("team/app:1"))
    assert found is not None
    assert found.digest == layout.read().digest


def test_every_single_request_may_fail_once(
    registry: Registry, layout: Layout, tmp_path: Path
) -> None:
    with serve_faults(registry) as front:
        publish(layout, front.registries(), front.reference("count/app:1"))
        requests = len(front.asked)
    for number in range(requests):
        with serve_faults(registry) as front:
            front.add(Fault(times=number, headers={"none": ""}), Fault(times=1, status=502))
            publish(layout, front.registries(), front.reference(f"app{number}/app:1"))
            assert front.faults[1].times == 0
            with RegistryClients(front.registries()) as clients:
                found = clients.manifest(front.reference(f"app{number}/app:1"))
        assert found is not None
        assert found.digest == layout.read().digest
