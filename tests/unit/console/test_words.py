"""The pages' words: those that were replaced do not come back."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

_TEMPLATES = files("tiktok_forwarder.console") / "templates"
_REPLACED = (
    *("somebody", "anybody", "nobody", "whoever", "given up", "gave up", "meanwhile", "by itself", "by hand"),
    *("for good", "made up", "made-up", "e-mail", "of ours", "begin anew", "go on", "mend", "worth knowing"),
    *("catalogue", "authorisation", "recognise", "recognised", "colour", "own words"),
)
_PATTERN = re.compile(rf"(?i:\b(?:{'|'.join(_REPLACED)})\b)|\b(?:event|external|click|request|user) id\b")


def texts(folder: Traversable) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        found += texts(entry) if entry.is_dir() else [(entry.name, entry.read_text())]
    return found


def test_templates_have_none_of_the_replaced_words() -> None:
    """A page calls roles, states and actions by the one term that each of them has."""
    assert [(name, word) for name, text in texts(_TEMPLATES) for word in _PATTERN.findall(text)] == []
