"""The sentence that ends a build."""

from typing import assert_never

from locald.build.ledger import BuildStatus, Ledger
from locald.cli.moved_text import moved_text


def summary(ledger: Ledger) -> str:
    """What happened, how long it took, and where the image is."""
    name, seconds = ledger.request.names[0].familiar, ledger.clock.total()
    match ledger.status:
        case BuildStatus.BUILT:
            text = f"Built {name} in {seconds:.1f} s"
        case BuildStatus.UNCHANGED:
            text = f"{name} is unchanged since {ledger.unchanged_since} ({seconds:.1f} s)"
        case BuildStatus.DETECTED:
            return f"{name} would be built by {', '.join(ledger.buildpacks)}; nothing was built"
        case BuildStatus.RUNNING | BuildStatus.FAILED | BuildStatus.INTERRUPTED:
            return f"{name} was not built"
        case _:
            assert_never(ledger.status)
    if ledger.places:
        text += f", delivered to {', '.join(ledger.places)}"
    if ledger.published:
        text += f"; {moved_text(ledger.published)}"
    return text
