"""Where this locald was installed from, so that a pipeline installs the same.

Source: the Python packaging specification "Recording the Direct URL Origin" (PEP 610).
"""

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from oci.errors import UsageError

_DISTRIBUTION = "locald"


def install_requirement(given: str | None, *, direct_url: str | None = None) -> str:
    """What pip is to install: the given one, else where this locald came from.

    direct_url: the text of the file direct_url.json; by default this installation's. Raises
    UsageError when that is a folder of this machine, or unknown. A bare name would be wrong: the
    public index has another program under it.
    """
    if given is not None:
        if given.strip().partition("=")[0].lower() == _DISTRIBUTION:
            raise UsageError(
                f"--install {given}: the public index has another program of this name",
                hint="give the address of a wheel, or git+https://…",
            )
        return given
    found = _from_record(_own_record() if direct_url is None else direct_url)
    if found is None:
        raise UsageError(
            "from where is the pipeline to install locald? This one came from a folder",
            hint="give --install git+https://…, or the address or path of a wheel",
        )
    return found


def _own_record() -> str:
    try:
        return distribution(_DISTRIBUTION).read_text("direct_url.json") or ""
    except PackageNotFoundError:
        return ""


def _from_record(text: str) -> str | None:
    try:
        record: dict[str, Any] = json.loads(text)
        url = str(record["url"])
    except (ValueError, KeyError, TypeError):
        return None
    vcs = record.get("vcs_info")
    if isinstance(vcs, dict):
        return f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}".rstrip("@")
    return url if url.startswith("https://") else None
