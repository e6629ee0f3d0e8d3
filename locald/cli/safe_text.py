"""Foreign text made safe for terminals and CI logs.

What a build prints may hold anything: cursor movements, window titles, the clipboard escape,
carriage returns that overwrite a line, bidirectional marks. Colours may stay on a terminal.
CI systems take some lines for commands: GitHub `::set-env …::` after any indentation, Azure, old
GitHub and TeamCity `##vso[`, `##[` and `##teamcity[` wherever they stand.
"""

import re

_SGR = re.compile(r"\x1b\[[0-9;]*m")
# CSI …; OSC … up to BEL or ST; DCS, SOS, PM and APC; the two-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b."
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_CI_COMMAND = re.compile(r"^(\s*):(?=:[A-Za-z].*::)|##(?=[A-Za-z]*\[)")
_MARK = re.compile(r"##(?=[A-Za-z]*\[)")
_SPLIT = re.compile(r"(\x1b\[[0-9;]*m)")


def safe_text(text: str, *, keep_color: bool = False) -> str:
    """The text as one line without control characters and escape sequences, tabs kept.

    keep_color: SGR sequences (colours, bold) stay, and are switched off at the end.
    """
    text = text.encode(errors="replace").decode().replace("\n", " ")
    if not keep_color:
        return _plain(text)
    colored = False
    parts = []
    for part in _SPLIT.split(text):
        if _SGR.fullmatch(part):
            parts.append(part)
            colored = True
        else:
            parts.append(_CONTROL.sub("", _ESCAPES.sub("", part)))
    return "".join(parts) + ("\x1b[0m" if colored else "")


def safe_document(text: str) -> str:
    """A document of many lines: what must not be printed becomes `\\u001b`, as JSON writes it."""
    text = text.encode(errors="replace").decode()
    text = _MARK.sub(r"#\\u0023", text)
    return _CONTROL.sub(
        lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text
    )


def _plain(text: str) -> str:
    text = _CONTROL.sub("", _ESCAPES.sub("", text))
    return _CI_COMMAND.sub(
        lambda found: f"{found[1] or ''}{'# #' if found[0] == '##' else ': '}", text
    )
