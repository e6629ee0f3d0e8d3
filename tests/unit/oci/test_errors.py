"""The tree of errors: one exit code each, as docs and `oci.errors` draw it."""

import signal

import pytest

from oci.errors import (
    BusyError,
    CommandError,
    ContainerError,
    Error,
    HostError,
    ImageError,
    Interrupted,
    RegistryError,
    StorageError,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (Error, 1),
        (UsageError, 2),
        (HostError, 3),
        (ImageError, 4),
        (RegistryError, 4),
        (ContainerError, 5),
        (StorageError, 6),
        (BusyError, 7),
    ],
)
def test_every_error_has_its_exit_code(kind: type[Error], exit_code: int) -> None:
    assert kind("it failed").exit_code == exit_code


def test_an_error_carries_message_details_and_hint() -> None:
    error = ImageError("the image is damaged", details=["one", "two"], hint="fetch it again")
    assert str(error) == error.message == "the image is damaged"
    assert error.details == ("one", "two")
    assert error.hint == "fetch it again"


def test_a_registry_error_is_an_image_error() -> None:
    assert issubclass(RegistryError, ImageError)


def test_a_command_s_own_exit_code_is_not_ours() -> None:
    error = CommandError("`tool` failed", command_exit_code=77)
    assert (error.command_exit_code, error.exit_code) == (77, 5)


def test_an_interruption_ends_as_shells_report_it_and_is_not_swallowed() -> None:
    assert Interrupted(signal.SIGINT).exit_code == 130
    assert Interrupted(signal.SIGTERM).exit_code == 143
    assert not issubclass(Interrupted, Exception)
