"""Foreign text made safe for terminals and CI logs.

What a build prints may hold anything: cursor movements, window titles, the clipboard escape,
carriage returns that overwrite a line, bidirectional marks. Colours may stay on a terminal.
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
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPLIT = re.compile(r"(\x1b\[[0-9;]*m)")


def safe_text(text: str, *, keep_color: bool = False) -> str:
    """The text without control characters and escape sequences, tabs kept.

    keep_color: SGR sequences (colours, bold) stay, and are switched off at the end.
    """
    text = text.encode(errors="replace").decode()
    if not keep_color:
        return _CONTROL.sub("", _ESCAPES.sub("", text))
    colored = False
    parts = []
    for part in _SPLIT.split(text):
        if _SGR.fullmatch(part):
            parts.append(part)
            colored = True
        else:
            parts.append(_CONTROL.sub("", _ESCAPES.sub("", part)))
    return "".join(parts) + ("\x1b[0m" if colored else "")
