"""docs/promises.md promises no more cases than there are."""

from tests.support.promised_tests import PAGE, TOTAL, collected, named_tests, total


def test_there_are_as_many_cases_as_the_page_says() -> None:
    named = named_tests()
    counts = collected(name for name, _ in named)
    told = {name: int(count) for name, count in named if count}
    assert {name: counts[name] for name, count in told.items() if counts[name] < count} == {}
    said = TOTAL.search(PAGE.read_text())
    assert said is not None
    tests, cases = total(counts)
    assert int(said[1]) == tests
    assert int(said[2]) <= cases
