"""docs/promises.md promises no more cases than there are."""

from tests.support.promised_tests import collected, named_tests


def test_there_are_as_many_cases_as_the_page_says() -> None:
    named = named_tests()
    counts = collected(name for name, _ in named)
    told = {name: int(count) for name, count in named if count}
    assert {name: counts[name] for name, count in told.items() if counts[name] < count} == {}
