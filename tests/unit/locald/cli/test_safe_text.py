"""Foreign text on a terminal and in CI logs."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.cli.safe_text import safe_document, safe_text

pytestmark = pytest.mark.corpus

ESC = "\x1b"
# What is done to the terminal, and what may remain between `a` and `b`.
ATTACKS = {
    "cursor up": (f"{ESC}[1A", ""),
    "cursor down": (f"{ESC}[B", ""),
    "cursor forward": (f"{ESC}[5C", ""),
    "cursor back": (f"{ESC}[5D", ""),
    "cursor next line": (f"{ESC}[E", ""),
    "cursor column": (f"{ESC}[1G", ""),
    "cursor home": (f"{ESC}[H", ""),
    "cursor position": (f"{ESC}[1;1H", ""),
    "cursor position f": (f"{ESC}[1;1f", ""),
    "save cursor": (f"{ESC}[s", ""),
    "restore cursor": (f"{ESC}[u", ""),
    "save cursor DEC": (f"{ESC}7", ""),
    "restore cursor DEC": (f"{ESC}8", ""),
    "erase screen": (f"{ESC}[2J", ""),
    "erase scrollback": (f"{ESC}[3J", ""),
    "erase line": (f"{ESC}[K", ""),
    "erase line whole": (f"{ESC}[2K", ""),
    "insert lines": (f"{ESC}[10L", ""),
    "delete lines": (f"{ESC}[10M", ""),
    "delete characters": (f"{ESC}[10P", ""),
    "scroll up": (f"{ESC}[5S", ""),
    "scroll region": (f"{ESC}[1;5r", ""),
    "alternate screen": (f"{ESC}[?1049h", ""),
    "hide cursor": (f"{ESC}[?25l", ""),
    "mouse reports": (f"{ESC}[?1000h", ""),
    "bracketed paste off": (f"{ESC}[?2004l", ""),
    "device status": (f"{ESC}[6n", ""),
    "device attributes": (f"{ESC}[c", ""),
    "secondary attributes": (f"{ESC}[>c", ""),
    "report title": (f"{ESC}[21t", ""),
    "resize window": (f"{ESC}[8;1;1t", ""),
    "cursor style": (f"{ESC}[1 q", ""),
    "soft reset": (f"{ESC}[!p", ""),
    "media copy": (f"{ESC}[5i", ""),
    "colour with colons": (f"{ESC}[38:2::1:2:3m", ""),
    "title BEL": (f"{ESC}]0;owned\x07", ""),
    "title ST": (f"{ESC}]2;owned{ESC}\\", ""),
    "clipboard BEL": (f"{ESC}]52;c;cm0gLXJm\x07", ""),
    "clipboard ST": (f"{ESC}]52;c;cm0gLXJm{ESC}\\", ""),
    "clipboard query": (f"{ESC}]52;c;?\x07", ""),
    "link": (f"{ESC}]8;;http://evil.example\x07text{ESC}]8;;\x07", "text"),
    "palette": (f"{ESC}]4;1;rgb:00/00/00\x07", ""),
    "iTerm file": (f"{ESC}]1337;File=name=x:AAAA\x07", ""),
    "notification": (f"{ESC}]9;hello\x07", ""),
    "DCS": (f"{ESC}Pq#0;2;0;0;0{ESC}\\", ""),
    "DECRQSS": (f"{ESC}P$qm{ESC}\\", ""),
    "APC": (f"{ESC}_Gf=100;AAAA{ESC}\\", ""),
    "PM": (f"{ESC}^hidden{ESC}\\", ""),
    "SOS": (f"{ESC}Xhidden{ESC}\\", ""),
    "full reset": (f"{ESC}c", ""),
    "index": (f"{ESC}D", ""),
    "reverse index": (f"{ESC}M", ""),
    "keypad": (f"{ESC}=", ""),
    "C1 CSI": ("\x9b2J", "2J"),
    "C1 OSC": ("\x9d52;c;AAAA\x9c", "52;c;AAAA"),
    "C1 DCS": ("\x90q\x9c", "q"),
    "C1 next line": ("\x85", ""),
    "carriage return": ("\r", ""),
    "backspaces": ("\b\b\b", ""),
    "bell": ("\a", ""),
    "form feed": ("\f", ""),
    "vertical tab": ("\v", ""),
    "shift out": ("\x0e", ""),
    "NUL": ("\0", ""),
    "delete": ("\x7f", ""),
    "newline": ("\n", " "),
    "bidi override": ("\u202e", ""),
    "bidi isolate": ("\u2066\u2069", ""),
    "bidi mark": ("\u200f\u061c", ""),
    "line separator": ("\u2028\u2029", ""),
    "split sequence": (f"{ESC}{ESC}[2J", "[2J"),
    "lone surrogate": ("\udc1b", "?"),
}


@pytest.mark.parametrize(("attack", "rest"), ATTACKS.values(), ids=ATTACKS.keys())
def test_nothing_acts_on_the_terminal(attack: str, rest: str) -> None:
    assert safe_text(f"a{attack}b") == f"a{rest}b"


@pytest.mark.parametrize("attack", [a for a, _ in ATTACKS.values()], ids=ATTACKS.keys())
def test_nothing_acts_on_the_terminal_when_colours_stay(attack: str) -> None:
    kept = safe_text(f"a{attack}b", keep_color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", kept) == safe_text(f"a{attack}b")


@pytest.mark.parametrize("end", [f"{ESC}", f"{ESC}[", f"{ESC}[12", f"{ESC}]52;c;AAAA", f"{ESC}P"])
def test_a_sequence_cut_off_at_the_end_of_the_line_is_harmless(end: str) -> None:
    for text in (safe_text(f"a{end}"), safe_text(f"a{end}", keep_color=True)):
        assert text.startswith("a")
        assert ESC not in text


def test_colours_stay_on_request_and_are_switched_off_again() -> None:
    red = f"{ESC}[1;31mred"
    assert safe_text(red) == "red"
    assert safe_text(red, keep_color=True) == f"{red}{ESC}[0m"
    assert safe_text("plain", keep_color=True) == "plain"


def test_a_sequence_put_together_from_colours_does_not_come_through() -> None:
    text = f"{ESC}{ESC}[31m]52;c;AAAA\x07"
    assert safe_text(text, keep_color=True) == f"{ESC}[31m]52;c;AAAA{ESC}[0m"


@pytest.mark.parametrize("text", ["", "plain", "tab\there", "äöü 日本語 🎉", "  indented", "100 %"])
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert safe_text(text) == text
    assert safe_text(text, keep_color=True) == text


@pytest.mark.parametrize(
    "line",
    ["::set-env name=A::1", "  ::add-path::/evil", "\t::stop-commands::x", "\r::error::x",
     f"{ESC}[31m::warning::x"],
)  # fmt: skip
def test_a_line_is_no_command_to_github(line: str) -> None:
    assert not safe_text(line).lstrip().startswith("::")


@pytest.mark.parametrize(
    "line",
    [
        "##vso[task.setvariable]x",
        "text ##[add-path]x",
        "###[error]",
        "##teamcity[setParameter name='env.X' value='y']",
    ],
)
def test_a_line_is_no_command_to_azure_or_teamcity(line: str) -> None:
    assert not re.search(r"##[A-Za-z]*\[", safe_text(line))
    assert not re.search(r"##[A-Za-z]*\[", safe_document(line))


@pytest.mark.parametrize("line", ["::1 - - GET /", "std::vector::at", "## heading", "a::b", "::"])
def test_what_is_no_command_is_unchanged(line: str) -> None:
    assert safe_text(line) == line


@given(st.text(alphabet=st.sampled_from("\x1b\x07\x9b\x9d\r\n\t[]0123;mAJ\\PX^_ab\u202e\udc80")))
def test_whatever_comes_in_only_text_tabs_and_colours_come_out(text: str) -> None:
    plain = safe_text(text)
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]", plain)
    assert safe_text(plain) == plain
    colored = re.sub(r"\x1b\[[0-9;]*m", "", safe_text(text, keep_color=True))
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202e]", colored)


def test_what_must_not_be_printed_is_escaped_in_documents_as_json_does_it() -> None:
    odd = {"a\x9b2J": ["\u202etxt", "##vso[x]", "\u2028", "tab\t"], "ä": "\N{SNOWMAN}\x85"}
    text = json.dumps(odd, indent=2, ensure_ascii=False)
    safe = safe_document(text)
    assert json.loads(safe) == odd
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]|##vso", safe)
    assert "ä" in safe
    assert safe_document("one:\n\ttwo\x1b[2J\r\n") == "one:\n\ttwo\\u001b[2J\\u000d\n"
    assert safe_document("no text: \udc9b") == "no text: ?"
