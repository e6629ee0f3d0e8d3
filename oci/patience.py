"""How long a registry is borne with: how often to ask again, and when to call it stalled."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """tries: of one request, the first included. stall_tries: of one that stalls, each of which
    takes long.

    pause_seconds: before the second try; each further one is twice as long, up to the longest.
    stall_seconds: how long a registry may be silent before it counts as stalled.
    """

    tries: int = 5
    stall_tries: int = 2
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    # skopeo waits for up to a minute in all when it is asked to come less often (429).
    stall_seconds: float = 75.0

    def pause(
        self, tried: int, *, asked_seconds: float | None = None, stalled: bool = False
    ) -> float | None:
        """Seconds to wait after so many tries; None when it is time to give up.

        asked_seconds: what the registry asked for (`Retry-After`). One that asks for more than the
        longest pause is told to the user at once.
        """
        tries = min(self.tries, self.stall_tries) if stalled else self.tries
        if tried >= tries or (asked_seconds or 0) > self.longest_pause_seconds:
            return None
        pause = min(self.pause_seconds * 2.0 ** (tried - 1), self.longest_pause_seconds)
        # Many clients that failed together must not come back together.
        jittered = pause * random.uniform(0.75, 1.25)
        return max(jittered, asked_seconds or 0)
