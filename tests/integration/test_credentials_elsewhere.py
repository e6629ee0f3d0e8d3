"""A registry that leads elsewhere while it is pushed to, or asks for its password elsewhere."""

from pathlib import Path

import pytest

from oci.errors import RegistryError
from oci.process import CommandRunner
from oci.publication import Publication
from oci.registries import Registries
from oci.registry_clients import RegistryClients
from tests.support.images import make_image
from tests.support.registry import Registry, registry, serve_registry, write_auth_file
from tests.support.registry_faults import Fault, serve_faults
from tests.support.tls import make_tls

__all__ = ["registry"]


def test_an_upload_that_leads_elsewhere_takes_no_credential_along(
    registry: Registry, tmp_path: Path
) -> None:
    layout = make_image(tmp_path / "made", files={"a": "x" * 3000})
    with (
        serve_registry(tmp_path / "guarded", login=True) as guarded,
        serve_faults(guarded) as front,
        serve_faults(registry) as elsewhere,
    ):
        place = f"http://{elsewhere.host}/v2/team/app/blobs/uploads/stolen?_state=x"
        front.add(Fault("POST .*/uploads/", status=202, headers={"Location": place}))
        auth = write_auth_file(tmp_path / "auth.json", front.host)
        with RegistryClients(front.registries(auth_file=auth)) as clients:
            publication = Publication(
                layout.read(), layout, [front.reference("team/app:1")], clients=clients, origins={}
            )
            with pytest.raises(RegistryError):
                publication.push()
        assert any(seen.authorization for seen in front.asked)
        assert elsewhere.count("PATCH")
        assert not any(seen.authorization for seen in elsewhere.asked)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_a_password_is_asked_for_over_tls_only(
    registry: Registry, tmp_path: Path, scheme: str
) -> None:
    tls = make_tls(tmp_path / "tls")
    with serve_faults(registry, tls=tls) as front, serve_faults(registry) as elsewhere:
        realm = f'Bearer realm="{scheme}://{elsewhere.host}/token",service="x"'
        front.add(Fault("GET", status=401, headers={"WWW-Authenticate": realm}))
        auth = write_auth_file(tmp_path / "auth.json", front.host)
        careful = Registries(CommandRunner(), front.access(auth_file=auth))
        with (
            RegistryClients(careful) as clients,
            pytest.raises(RegistryError, match=r"a redirection to .*, which is not safe"),
        ):
            clients.manifest(front.reference("team/app:1"))
        assert elsewhere.asked == []
