"""What starts, by value."""

import json
from collections.abc import Sequence

import pytest

from lifecycle.labels import BUILD_METADATA
from locald.services.start_command import Wishes, start_command
from oci.errors import ImageError, UsageError
from oci.image import ContainerConfig, ImageConfig

LAUNCHER = "/cnb/lifecycle/launcher"
TYPES = ("web", "worker", "release")


def config(types: Sequence[str] = TYPES, *, default: str = "worker") -> ImageConfig:
    processes = [{"type": t, "command": ["bash", "-c"], "args": [f"run {t}"]} for t in types]
    return ImageConfig(
        config=ContainerConfig(
            entrypoint=(f"/cnb/process/{default}" if default else LAUNCHER,),
            labels={BUILD_METADATA: json.dumps({"processes": processes})},
        )
    )


def argv(wishes: Wishes, image: ImageConfig | None = None) -> tuple[str, ...]:
    return start_command(image or config(), wishes, origin="shop").argv


def test_precedence_from_the_flag_to_the_images_default() -> None:
    everything = Wishes(process="release", command="serve", procfile={"web": "from the Procfile"})
    assert argv(everything) == ("/cnb/process/release",)
    assert argv(Wishes(command="serve", procfile={"web": "x"})) == (LAUNCHER, "serve")
    assert argv(Wishes(procfile={"web": "x y"})) == (LAUNCHER, "x y")
    assert argv(Wishes(procfile={"clock": "tick"})) == ("/cnb/process/worker",)
    assert argv(Wishes(), config(default="")) == ("/cnb/process/web",)


def test_arguments_follow() -> None:
    words = ("a b", "--port")
    assert argv(Wishes(arguments=words)) == ("/cnb/process/worker", *words)
    assert argv(Wishes(command=("serve", "-x"), arguments=words)) == (
        LAUNCHER, "--", "serve", "-x", *words,
    )  # fmt: skip
    # The launcher would take a text with arguments for the name of one program.
    assert argv(Wishes(command="serve $PORT", arguments=words)) == (
        LAUNCHER, "serve $PORT 'a b' --port",
    )  # fmt: skip


def test_a_list_goes_without_a_shell() -> None:
    assert argv(Wishes(command=("serve", "$PORT"))) == (LAUNCHER, "--", "serve", "$PORT")


def test_a_procfile_line_that_the_image_has_needs_no_shell() -> None:
    assert argv(Wishes(procfile={"web": "run web"})) == ("/cnb/process/web",)


def test_an_unknown_process_type_lists_those_there_are() -> None:
    with pytest.raises(UsageError) as raised:
        argv(Wishes(process="wbe"))
    assert raised.value.details == ("it has: web, worker, release",)
    assert raised.value.hint == 'did you mean "web"?'


def test_without_a_default_a_choice_is_asked_for() -> None:
    image = config(("worker", "release"), default="")
    with pytest.raises(UsageError, match="does not say which process") as raised:
        argv(Wishes(), image)
    assert raised.value.hint == "choose one with --process: worker, release"


def test_an_image_without_processes_runs_the_given_words() -> None:
    image = config((), default="")
    assert argv(Wishes(arguments=("ls", "-l")), image) == (LAUNCHER, "--", "ls", "-l")
    with pytest.raises(UsageError, match="does not say which process"):
        argv(Wishes(), image)


def test_other_images_are_refused() -> None:
    with pytest.raises(ImageError, match="not built by buildpacks"):
        argv(Wishes(), ImageConfig())
