import platform
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

GREETING = "Hello from a Procfile"


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(
        f"<!doctype html><title>procfile-python</title><h1>{GREETING}</h1>"
        f"<p>procfile-python: Python {platform.python_version()}, Starlette {version('starlette')}</p>\n"
    )


application = Starlette(routes=[Route("/", page)])
