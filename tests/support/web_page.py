"""Fetches pages of this machine as a browser does, without any proxy."""

import time
from collections.abc import Callable
from contextlib import suppress
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener


def fetch_page(port: int, *, alive: Callable[[], bool], seconds: float = 60.0) -> str:
    """The page at `/`, as soon as somebody answers there.

    alive: is who should answer still there? Else there is nothing to wait for.
    """
    deadline = time.monotonic() + seconds
    opener = build_opener(ProxyHandler({}))
    while True:
        # Nobody listens yet, or the one who forwards the port has nobody to forward to.
        with (
            suppress(URLError, OSError),
            opener.open(f"http://127.0.0.1:{port}/", timeout=5) as page,
        ):
            return str(page.read().decode())
        assert alive(), "the application ended before it answered"
        assert time.monotonic() < deadline, f"no page within {seconds:g} s"
        time.sleep(0.1)
