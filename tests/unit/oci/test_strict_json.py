"""Documents that two readers could understand differently."""

import time

import pytest

from oci.errors import ImageError
from oci.image import Manifest, decode_config, decode_index, decode_manifest
from oci.strict_json import decode_strictly

GOOD = (
    b'{"schemaVersion":2,"config":{"mediaType":"c","digest":"d","size":1},'
    b'"layers":[{"mediaType":"l","digest":"d","size":1}]}'
)


def manifest(change: tuple[bytes, bytes]) -> Manifest:
    return decode_manifest(GOOD.replace(*change, 1), origin="an image")


def test_an_ordinary_document_is_read() -> None:
    read = manifest((b"", b""))
    assert (read.schema_version, len(read.layers)) == (2, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b'{"schema', b'{"LAYERS":[],"schema'), "a key 'LAYERS', which is not 'layers'"),
        ((b'{"schema', b'{"Config":{},"schema'), "a key 'Config', which is not 'config'"),
        ((b'"size":1', b'"size":1,"SIZE":2'), "a key config.'SIZE', which is not 'size'"),
        ((b'[{"media', b'[{"Digest":"x","media'), "a key layers[0].'Digest'"),
        # What Go folds to k and s: the sign of the kelvin, the long s.
        ((b'{"schema', '{"layer\u017f":[],"schema'.encode()), "which is not 'layers'"),
        ((b'"size":1', b'"size":1,"size":2'), "the key 'size' is in it twice"),
        ((b'{"schema', b'{"x":{"a":1,"a":2},"schema'), "the key 'a' is in it twice"),
        ((b'{"schema', b'{"manifests":[],"schema'), "two documents at once: it has 'manifests'"),
        ((b'{"schema', b'{"x":' + b"[" * 70 + b"]" * 70 + b',"schema'), "nested too deeply"),
        ((b'{"schema', b'{"x":' + b"9" * 9000 + b',"schema'), "cannot be read"),
        ((b'{"schema', b'{"x":"\xff","schema'), "cannot be read"),
        ((b'"l"', b'"\xed\xa0\x80"'), "cannot be read"),
    ],
)
def test_what_another_reader_would_read_differently_is_refused(
    change: tuple[bytes, bytes], said: str
) -> None:
    with pytest.raises(ImageError) as caught:
        manifest(change)
    assert caught.value.message.startswith("an image: the manifest")
    assert said in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "extra",
    [b'"Name":"a","name":"b"', b'"x":{"Layers":1,"layers":2}', b'"org.example":[[[[1]]]]'],
)
def test_what_nobody_here_reads_may_be_anything(extra: bytes) -> None:
    assert manifest((b'{"schema', b"{" + extra + b',"schema')).schema_version == 2


def test_labels_are_told_apart_by_case() -> None:
    labels = b'{"config":{"Labels":{"name":"a","Name":"b"}}}'
    assert decode_config(labels, origin="x").labels == {"name": "a", "Name": "b"}


def test_depth_and_length_cost_no_time() -> None:
    started = time.monotonic()
    for data in (b"[" * 4_000_000, b'{"manifests":' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        with pytest.raises(ImageError, match="cannot be read"):
            decode_index(data, origin="x")
    assert time.monotonic() - started < 5


def test_a_document_that_is_no_object_is_refused() -> None:
    for data in (b"[]", b"null", b"1", b'"x"', b""):
        with pytest.raises(ImageError, match="a thing cannot be read"):
            decode_strictly(data, Manifest, "a thing")
