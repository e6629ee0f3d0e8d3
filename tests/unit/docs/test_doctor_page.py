"""docs/doctor.md lists every check, and every key of the object."""

import json
import re
from pathlib import Path

from locald.cli.doctor_text import examination_document
from locald.doctor.check import make
from locald.doctor.examination import BUILD, Examination, all_checks
from tests.support.doctor_host import DEBIAN, make_host

PAGE = (Path(__file__).parents[3] / "docs/doctor.md").read_text()


def first_cells(heading: str) -> set[str]:
    """What the first column of the table below a heading quotes."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = (line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `"))
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_check_is_on_the_page() -> None:
    assert first_cells("What is looked at") == {
        *(check.name for check in all_checks()),
        "registry:IMAGE",
    }


def test_every_key_of_the_object_is_on_the_page(tmp_path: Path) -> None:
    checked = (make(BUILD, make_host(tmp_path)),)
    found = Examination(distribution=DEBIAN, runtime="runc", reason="", checked=checked)
    document = json.loads(examination_document(found))
    (check,) = document["checks"]
    told = {name.removeprefix("checks[].") for name in first_cells("For programs")}
    assert told == {*document, *check}
