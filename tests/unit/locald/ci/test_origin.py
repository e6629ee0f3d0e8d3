"""What a pipeline installs as locald."""

import json

import pytest

from locald.ci.origin import install_requirement
from oci.errors import UsageError


@pytest.mark.parametrize(
    ("record", "requirement"),
    [
        (
            {
                "url": "https://git.example/locald.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc123"},
            },
            "git+https://git.example/locald.git@abc123",
        ),
        (
            {"url": "https://files.example/locald-0.1.0-py3-none-any.whl", "archive_info": {}},
            "https://files.example/locald-0.1.0-py3-none-any.whl",
        ),
    ],
)
def test_by_default_the_same_as_here(record: dict[str, object], requirement: str) -> None:
    assert install_requirement(None, direct_url=json.dumps(record)) == requirement


@pytest.mark.parametrize(
    "record",
    ["", "[]", "{}", '{"url": "file:///src/locald", "dir_info": {"editable": true}}'],
)
def test_a_folder_of_this_machine_is_no_place_for_others(record: str) -> None:
    with pytest.raises(UsageError) as caught:
        install_requirement(None, direct_url=record)
    assert "--install" in caught.value.hint


@pytest.mark.parametrize("bare", ["locald", "Locald==0.1.0", " locald"])
def test_the_name_alone_is_another_program(bare: str) -> None:
    with pytest.raises(UsageError, match="another program"):
        install_requirement(bare)


def test_what_is_given_is_taken() -> None:
    wheel = "locald @ https://files.example/locald-0.1.0-py3-none-any.whl"
    assert install_requirement(wheel, direct_url="") == wheel
