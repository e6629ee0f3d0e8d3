import platform
from importlib.metadata import version

from flask import Flask

GREETING = "Hello from Python"

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return (
        f"<!doctype html><title>python-flask</title><h1>{GREETING}</h1>"
        f"<p>python-flask: Python {platform.python_version()}, Flask {version('flask')}</p>\n"
    )
