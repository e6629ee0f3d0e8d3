"""What a build could leave behind on this host: processes, and the mounts that they hold."""

import os
from pathlib import Path


def processes_of(session: int, *places: Path) -> dict[int, str]:
    """Living processes of a session, or that a mount, an argument, or a folder ties to a place.

    By their id, with their command line. Zombies do not count: they hold nothing.
    """
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "stat").read_text().rpartition(")")[2].split()
            if status[0] == "Z" or int(process.name) == os.getpid():
                continue
            command = (
                (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
            if int(status[3]) == session or _tied(process, command, places):
                found[int(process.name)] = command
        except (OSError, ValueError):
            continue  # ended meanwhile, or somebody else's
    return found


def _tied(process: Path, command: str, places: tuple[Path, ...]) -> bool:
    texts = [command]
    try:
        texts.append((process / "mountinfo").read_text(errors="replace"))
        texts.append(str((process / "cwd").readlink()))
    except OSError:
        return any(str(place) in command for place in places)
    return any(str(place) in text for place in places for text in texts)
