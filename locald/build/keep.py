"""The exported image, put right and searched for secrets, becomes an image of the store."""

from lifecycle.export import put_right
from lifecycle.layout_dir import exported_layout
from lifecycle.run_image import run_toml_images
from lifecycle.workspace import Workspace
from locald.build.acquired import Acquired
from locald.build.git_branch import made_for
from locald.build.secrets import SecretGuard
from locald.build.source_metadata import image_labels
from locald.config.request import BuildRequest
from oci.store import ImageStore, StoredImage


def keep(
    request: BuildRequest,
    acquired: Acquired,
    workspace: Workspace,
    guard: SecretGuard,
    store: ImageStore,
) -> tuple[StoredImage, frozenset[str]]:
    """Into the store, under all its names; with it, the digests of the layers it added."""
    layout = exported_layout(workspace.layout)
    (_, mirrors), *_ = run_toml_images(acquired.builder_image, acquired.run_image_name)
    image = put_right(
        layout,
        run_image=acquired.run_image_name,
        run_image_digest=acquired.run_image.source_digest,
        mirrors=mirrors,
        top_layer=acquired.top_layer,
        labels=image_labels(request.metadata),
        inherited=acquired.run_image.config.labels,
    )
    guard.check(layout, image, store)
    new_layers = frozenset(str(d) for d in image.layer_digests if layout.has_blob(d))
    stored = store.commit(layout, request.local_names, request.platform, made_for=made_for(request))
    return stored, new_layers
