"""What the host's policy.json refuses is not fetched from a registry."""

import json
from pathlib import Path

import pytest

from oci.errors import ImageError
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import make_image
from tests.support.publishing import push
from tests.support.registry import Registry, registry

__all__ = ["registry"]

HOST = Platform.of_host()


@pytest.mark.parametrize("kind", ["reject", "signedBy"])
def test_a_refused_image_leaves_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    layout = make_image(tmp_path / "made", files={"a": "x"})
    push(layout, registry, "team/app:1")
    source = registry.location("team/app:1")
    store = ImageStore(tmp_path / "store", Skopeo(CommandRunner(), registry.registries))
    rule = {"type": kind}
    if kind == "signedBy":
        (tmp_path / "key").write_bytes(b"")
        rule |= {"keyType": "GPGKeys", "keyPath": str(tmp_path / "key")}
    settings = tmp_path / "home/.config/containers"
    settings.mkdir(parents=True)
    (settings / "policy.json").write_text(json.dumps({"default": [rule]}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    name = registry.reference("team/app:1")
    with pytest.raises(ImageError, match="the policy of this host refuses") as caught:
        store.fetch(source, HOST, reference=name)
    assert "policy.json" in caught.value.hint
    assert store.find(name, HOST) is None
    (settings / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    assert store.fetch(source, HOST, reference=name).complete
