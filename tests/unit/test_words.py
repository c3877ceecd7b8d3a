"""Messages, help and pages use the words of the glossary: terms that were replaced do not come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tiktok_forwarder.cli.main import COMMANDS, commands
from tiktok_forwarder.mapping.explanation.advice import all_advice
from tiktok_forwarder.mapping.fields import FIELDS
from tiktok_forwarder.settings import SETTINGS

SOURCES = Path(__file__).parents[2] / "src"
REPLACED = {
    r"e-mail": "email",
    r"(?-i:(event|click|external|product|Event|Click|External|Product) ids?)\b": "ID, IDs",
    r"page address(es)?\b|address(es)? of (the|a) page": "page URL",
    r"somebody|anybody|nobody|whoever": "the operator, the sender, a user, no one: name the role",
    r"by hand": "manually",
    r"made[- ]up": "generated",
    r"shown this once": "not shown again",
    r"no input has|there is no \w+ (named|called)|there is an? .* already": "…not found, …already exists",
    r"is .*, but must": "must be …, not …",
    r"is no known|is no (number|address|key|time|setting)\b": "is not a …",
    r"books\b(?! an?\b)": "totals",
    r"stand-in|stands? (here|there|in the|beside|between|at)\b": "simulator; is, appears",
    r"fault (of|in)": "internal error, configuration error",
    r"troubles?\b": "problem, temporary failure",
    r"given up( on)?\b": "dead-lettered",
    r"switch(ed)? (it )?(on|off)\b": "enabled, disabled",
    r"as it is\b(?! now)": "unchanged",
    r"web sites?\b": "website",
    r"one JSON object a line": "one JSON object per line",
    r"catalogue|recognise": "American English",
    r"in the clear": "unencrypted, unhashed",
    r"\bsay --": "pass --",
    r"goes on after|begins? anew|set it anew": "continues, restarts, set again",
    r"out of date": "expired",
    r"try again": "retry",
}


def _docstrings(tree: ast.AST) -> set[int]:
    """Return the ids of strings that are statements: docstrings, also those below a name."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each string that can be shown; `…` replaces what an f-string inserts."""
    skipped = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(value) for value in node.values}
            yield node.lineno, "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def _visible(template: str) -> str:
    """Return what a template shows: without comments, expressions' code and tags, attributes' labels kept."""
    text = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", template)
    labels = re.findall(r'(?:aria-label|title|placeholder|alt|data-label)="([^"]*)"', text)
    return " ".join([re.sub(r"(?s)<[^>]*>", " ", text), *labels])


def _replaced_words(text: str) -> list[str]:
    """Return the replaced words in a text that people read."""
    spaced = " ".join(text.split())
    return [found[0] for word in REPLACED if (found := re.search(rf"(?i)\b(?:{word})", spaced))]


@pytest.mark.parametrize("package", sorted(path.name for path in SOURCES.iterdir() if (path / "__init__.py").exists()))
def test_messages_use_no_replaced_words(package: str) -> None:
    """A sentence in the code is a message, a summary or a label: someone reads it in the end."""
    found = [
        f"{path.relative_to(SOURCES)}:{line}: {words} in {text!r}"
        for path in sorted((SOURCES / package).rglob("*.py"))
        for line, text in _strings(ast.parse(path.read_text()))
        if " " in text.strip() and (words := _replaced_words(text))
    ]
    assert found == [], "\n".join(found)


def test_templates_use_no_replaced_words() -> None:
    """The console's pages use the same words as its messages."""
    found = [
        f"{path.relative_to(SOURCES)}: {words}"
        for path in sorted(SOURCES.rglob("*.html"))
        if (words := _replaced_words(_visible(path.read_text())))
    ]
    assert found == [], "\n".join(found)


def _help_texts(command: click.Command, context: click.Context) -> Iterator[str]:
    yield command.help or ""
    yield from (parameter.help or "" for parameter in command.params if isinstance(parameter, click.Option))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _help_texts(found, context)


def test_help_of_commands_uses_no_replaced_words() -> None:
    """`--help` is built from docstrings, which are not read as messages above."""
    texts = [*_help_texts(commands, click.Context(commands)), *(entry.short_help for entry in COMMANDS.values())]
    assert len(texts) > len(COMMANDS)
    assert {text: words for text in texts if (words := _replaced_words(text))} == {}


def test_help_of_settings_and_advice_use_no_replaced_words() -> None:
    """They are shown in forms, on pages and in the reference."""
    advice = [
        text for by_reason in all_advice().values() for one in by_reason.values() for text in (one.meaning, one.remedy)
    ]
    texts = [text for field in FIELDS for text in (field.label, field.help)]
    texts += [setting.help for setting in SETTINGS]
    assert {text: words for text in [*texts, *advice] if (words := _replaced_words(text))} == {}


@pytest.mark.parametrize(
    "text",
    ["The e-mail's address", "there is no input named web", "Whoever sends", "port is 'x', but must be a number"],
)
def test_replaced_words_are_found_in_any_case(text: str) -> None:
    """The check would otherwise pass without finding anything."""
    assert _replaced_words(text)
