"""Flags of pack that change nothing here."""

from locald.cli.options.pack import ignored_flags


def test_each_flag_that_is_ignored_says_why() -> None:
    notes = tuple(
        ignored_flags(
            trust_builder=False,
            trust_extra_buildpacks=True,
            docker_host="inherit",
            userns_host=True,
            interactive=True,
        )
    )
    names = [note.partition(" is ignored: ")[0] for note in notes]
    assert names == [
        "--trust-builder", "--trust-extra-buildpacks", "--docker-host", "--userns-host",
        "--interactive",
    ]  # fmt: skip


def test_nothing_is_said_where_nothing_was_given() -> None:
    absent = {"trust_extra_buildpacks": False, "userns_host": False, "interactive": False}
    assert not tuple(ignored_flags(trust_builder=None, docker_host=None, **absent))
