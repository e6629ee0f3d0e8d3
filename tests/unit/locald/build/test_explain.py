import json
from pathlib import Path

import pytest

from lifecycle.detection import Attempt, Detection, DetectionLog, Member, Verdict
from lifecycle.detection_order import DetectionOrder
from lifecycle.documents import GroupBuildpack, Plan, PlanEntry, Requirement
from lifecycle.module import ModuleRef, OrderEntry
from locald.build.explain import Explanation, explain, explanation_document
from locald.cli.explanation_text import explanation_lines

LOGS = Path(__file__).parents[2] / "lifecycle/detection_logs"


def entry(*names: str) -> OrderEntry:
    """`a?` is optional; every version is 1.0.0."""
    return OrderEntry(
        tuple(
            ModuleRef(f"acme/{n.removesuffix('?')}", "1.0.0", optional=n.endswith("?"))
            for n in names
        )
    )


COMPOSITES = {
    "acme/java": (entry("needs"), entry("jre", "needs", "inner?")),
    "acme/inner": (entry("node"), entry("testonly", "broken")),
}
ORDER = DetectionOrder(
    order=(
        entry("node", "static?"),
        entry("windows"),
        entry("toml", "unused?"),
        entry("testonly", "unused?"),
        entry("unused"),
        entry("node?"),
        entry("unused?", "java", "static"),
        entry("static"),
    ),
    find_order=lambda ref: COMPOSITES.get(ref.id, ()),
)
JRE = PlanEntry(
    providers=(GroupBuildpack(id="acme/jre", version="1.0.0"),),
    requires=(Requirement(name="jre"), Requirement(name="jre")),
)


def detection(name: str) -> Detection:
    log = DetectionLog()
    for line in (LOGS / name).read_text().splitlines():
        log.add(line)
    return log.read()


@pytest.fixture(scope="module")
def fits() -> Explanation:
    return explain(detection("group-7-fits.txt"), ORDER, plan=Plan(entries=(JRE,)))


def test_each_combination_knows_its_group(fits: Explanation) -> None:
    assert [tried.group for tried in fits.tried] == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7]
    assert [tried.taken for tried in fits.tried] == [*[False] * 9, True]
    assert fits.taken == 7
    assert fits.tried[-1].via == (("acme/java@1.0.0", 2), ("acme/inner@1.0.0", 0))
    assert fits.untried == ((8, ("acme/static@1.0.0",)),)
    assert fits.plan == (("jre", ("acme/jre@1.0.0",)),)
    assert not fits.warnings


def test_what_each_other_one_lacks_is_concrete(fits: Explanation) -> None:
    lacks = [tried.lacks for tried in fits.tried]
    assert lacks[0] == ("acme/node@1.0.0 is not for this application: 100%sure",)
    assert lacks[1][0].startswith("acme/windows@1.0.0 could not tell: unable to satisfy target")
    unused = "acme/unused@1.0.0 provides unused, which no buildpack after it requires"
    assert lacks[3] == (unused, "acme/testonly@1.0.0 is for the execution environment test")
    assert lacks[4] == (unused,)
    assert lacks[5] == ("none of its optional members takes part, and it has no other",)
    assert lacks[6] == (
        "acme/needs@1.0.0 requires jdk, which no buildpack before it provides",
        "acme/needs@1.0.0 requires jre, which no buildpack before it provides",
    )
    assert lacks[8] == ("acme/broken@1.0.0 could not tell (exit code 3): cannot look",)
    assert lacks[9] == ()


def test_an_optional_member_that_was_left_out_is_told(fits: Explanation) -> None:
    assert [unmet.module for unmet in fits.tried[-1].left_out] == ["acme/unused@1.0.0"]
    assert fits.tried[0].optional == {"acme/static@1.0.0"}


def test_when_none_fits_all_were_tried() -> None:
    explanation = explain(detection("none-fits.txt"), ORDER, plan=None)
    assert explanation.taken is None
    assert [tried.group for tried in explanation.tried] == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 8]
    assert all(tried.lacks for tried in explanation.tried)
    assert not explanation.untried


def test_without_the_order_the_combinations_are_told_all_the_same() -> None:
    explanation = explain(detection("group-7-fits.txt"), None, plan=Plan())
    assert {tried.group for tried in explanation.tried} == {None}
    assert explanation.tried[-1].taken
    text = "\n".join(explanation_lines(explanation))
    assert "the last one fits; 10 combinations of buildpacks were tried" in text


def test_an_output_that_imitates_moves_no_group() -> None:
    order = DetectionOrder(order=(entry("evil", "static"),))
    explanation = explain(detection("imitation.txt"), order, plan=None)
    assert {tried.group for tried in explanation.tried} == {None}
    assert len(explanation.warnings) == 1


def test_the_document_is_plain_and_whole(fits: Explanation) -> None:
    document = json.loads(json.dumps(explanation_document(fits)))
    assert document["taken"] == 7
    last = document["tried"][-1]
    assert last["via"] == [
        {"buildpack": "acme/java@1.0.0", "group": 2},
        {"buildpack": "acme/inner@1.0.0", "group": None},
    ]
    assert last["buildpacks"][1] == {
        "name": "acme/jre@1.0.0",
        "optional": False,
        "verdict": "pass",
        "exit_code": None,
        "output": ["providing a jre"],
    }
    assert last["unmet"] == [
        {"buildpack": "acme/unused@1.0.0", "provides": "unused", "left_out": True}
    ]
    assert document["tried"][3]["skipped"] == [
        {"name": "acme/testonly@1.0.0", "exec_env": ["test"]}
    ]
    assert document["untried"] == [{"group": 8, "buildpacks": ["acme/static@1.0.0"]}]
    assert document["plan"] == [{"name": "jre", "providers": ["acme/jre@1.0.0"]}]


def test_the_text_shows_each_buildpacks_words_once(fits: Explanation) -> None:
    lines = list(explanation_lines(fits))
    assert lines[0] == ("Detection: group 7 of 8 fits; 10 combinations of buildpacks were tried")
    assert sum("| providing a jre" in line for line in lines) == 1
    assert (
        "  group 7, acme/java@1.0.0 group 2, without acme/inner@1.0.0: fits, and is taken" in lines
    )
    assert "    lacks: acme/broken@1.0.0 could not tell (exit code 3): cannot look" in lines
    assert "  jre is required, and provided by acme/jre@1.0.0" in lines
    assert "  group 8: not tried, because an earlier one fits" in lines


def test_a_long_output_is_cut() -> None:
    member = Member(name="a@1", verdict=Verdict.FAIL)
    said = tuple(f"line {n}" for n in range(100))
    long = Detection(attempts=(Attempt(members=(member,)),), outputs={"a@1": said}, truncated=True)
    lines = list(explanation_lines(explain(long, None, plan=None)))
    assert "            | …" in lines
    assert "            | line 99" in lines
    assert not any("line 89" in line for line in lines)
    assert "the end of it is missing" in lines[-1]


def test_very_many_combinations_are_cut() -> None:
    attempt = Attempt(members=(Member(name="a@1", verdict=Verdict.FAIL),))
    many = explain(Detection(attempts=(attempt,) * 500), None, plan=None)
    assert any("and 300 more" in line for line in explanation_lines(many))
