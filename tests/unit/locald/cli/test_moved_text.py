"""What a publication moved, for people."""

from locald.cli.moved_text import moved_text
from oci.moved import Moved


def test_what_was_sent_stands_beside_the_image_s_size() -> None:
    moved = Moved(repository="r/a", sent=1_230_000, mounted=300_000_000, present=19_000_000)
    assert moved_text([moved]) == "pushed 1.2 of 320 MB"


def test_repositories_are_taken_together() -> None:
    one = Moved(repository="r/a", sent=1_000_000, present=9_000_000)
    two = Moved(repository="s/a", sent=2_000_000, copied=8_000_000)
    assert moved_text([one, two]) == "pushed 3.0 of 20.0 MB, copied 8.0 MB between registries"
