import json

from locald.cli.doctor_text import examination_document, examination_lines
from locald.doctor.check import Check, Checked
from locald.doctor.examination import Examination
from locald.doctor.finding import Finding, Level, Remedy, fine
from tests.support.doctor_host import DEBIAN

FAILED = Finding(
    level=Level.FAIL,
    symptom="skopeo is \x1b[31mnot\x1b[0m installed",
    details=("::set-env name=A::b",),
    remedy=Remedy(text="get it", tools=("skopeo",), commands=("true",)),
)


def examination(*found: Finding) -> Examination:
    return Examination(
        distribution=DEBIAN,
        runtime="runc",
        reason="the fastest",
        checked=tuple(
            Checked(
                check=Check(name=f"n{i}", title="N", probe=lambda _: fine("")),
                finding=finding,
                seconds=0.25,
            )
            for i, finding in enumerate(found)
        ),
    )


def test_what_is_in_order_is_shown_on_request_only() -> None:
    found = examination(fine("1.9.3"))
    assert list(examination_lines(found, every=False, color=False)) == [
        "Builds work here, with runc (1 in order)."
    ]
    assert list(examination_lines(found, every=True, color=False)) == [
        "ok    n0  1.9.3",
        "",
        "Builds work here, with runc (1 in order).",
    ]


def test_a_failure_is_followed_by_its_details_and_its_remedy() -> None:
    lines = list(examination_lines(examination(fine(""), FAILED), every=False, color=False))
    assert lines == [
        "fail  n1  skopeo is not installed",
        "          | : :set-env name=A::b",
        "          > get it",
        "          > sudo apt install skopeo",
        "          > true",
        "",
        "Builds do not work here (1 in order, 1 failures).",
    ]


def test_the_document_has_what_the_table_has() -> None:
    document = json.loads(examination_document(examination(FAILED)))
    assert document["version"] == 1
    assert document["can_build"] is False
    assert document["commands"] == ["sudo apt install skopeo", "true"]
    (check,) = document["checks"]
    assert check["level"] == "fail"
    assert check["remedy"] == "get it"
    assert check["commands"] == ["sudo apt install skopeo", "true"]
    assert check["seconds"] == 0.25
