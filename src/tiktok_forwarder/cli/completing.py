"""Shell completion of what only a service or its settings know: names, reasons and values.

A key press must not disturb: whatever goes wrong, there is no completion and no message, and nothing is created.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from tiktok_forwarder.cli.options import GivenSettings

_TIMEOUT_SECONDS: Final = 2.0
_SPECIAL_TO_BASH: Final = re.compile(r"([^\w@%+:,./=-])")

_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


_NO_SPACE: Final = """\
    if [[ $COMPREPLY == *= ]]; then
        compopt -o nospace 2> /dev/null
    fi
    return 0
"""


class _BashComplete(BashComplete):
    """Bash inserts what it gets as it is, unlike the other shells: names with spaces need escapes, KEY= no space."""

    source_template = BashComplete.source_template.replace("read type", "read -r type").replace(
        "    return 0\n", _NO_SPACE
    )

    def format_completion(self, item: CompletionItem) -> str:
        value = _SPECIAL_TO_BASH.sub(r"\\\1", str(item.value))
        return f"{item.type},{value}"


def register_shells() -> None:
    add_completion_class(_BashComplete)


def _names_at(path: str) -> _Complete:
    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        with contextlib.suppress(Exception), _silence():
            # The name of a connection is among its settings.
            names = [str(each.get("settings", each)["name"]) for each in _answer(context, path)]
            return _items(incomplete, ((name, "") for name in names))
        return []

    return complete


def _answer(context: click.Context, path: str) -> Any:
    # Slow to import, and needed for these completions only.
    from tiktok_forwarder.cli.api_client import ApiSession  # noqa: PLC0415

    given = GivenSettings(*(context.params.get(name) for name in ("config_file", "data_dir", "store")))
    settings = given.settings()
    # To open a database on another machine may take long.
    is_far = settings.database_address is not None
    with ApiSession(settings, running_only=is_far, timeout_seconds=_TIMEOUT_SECONDS) as session:
        return session.ask("GET", path)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _items(incomplete: str, values: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    """Return the values that continue the incomplete one, each with its help."""
    start = incomplete.lower()
    return [
        CompletionItem(value, help=meaning or None)
        for value, meaning in values
        if value.lower().startswith(start) and value.isprintable()
    ]


connection_names: Final = _names_at("/api/connections")
input_names: Final = _names_at("/api/inputs")
recipient_names: Final = _names_at("/api/notices/recipients")
user_names: Final = _names_at("/api/users")
key_names: Final = _names_at("/api/keys")


def dead_letter_reasons(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from tiktok_forwarder.domain.outcome import DeadLetterReason  # noqa: PLC0415  # not for every command
    from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DEAD_LETTERS  # noqa: PLC0415

    reasons = get_args(DeadLetterReason)
    return _items(incomplete, ((reason, ADVICE_ON_DEAD_LETTERS[reason].meaning) for reason in reasons))


def complete_changes(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete KEY=VALUE: keys, then the values of a choice. Bash passes the two and the sign as three words."""
    from tiktok_forwarder.mapping.fields import FIELD_BY_NAME, FIELDS  # noqa: PLC0415  # not for every command

    before = [word for word in context.params.get("changes") or () if word != "="]
    key, sign, _value = incomplete.partition("=")
    if sign and key in FIELD_BY_NAME:
        return _items(incomplete, ((f"{key}={each}", meaning) for each, meaning in _values_of(key)))
    if before and before[-1] in FIELD_BY_NAME:
        return _items(incomplete, _values_of(before[-1]))
    return _items(incomplete, ((f"{field.name}=", field.label) for field in FIELDS))


def _values_of(key: str) -> list[tuple[str, str]]:
    from tiktok_forwarder.mapping.fields import FIELD_BY_NAME  # noqa: PLC0415  # not for every command

    field = FIELD_BY_NAME[key]
    if field.kind == "boolean":
        return [("true", ""), ("false", "")]
    # A list of choices is not a plain value.
    choices = field.choices if field.kind in ("choice", "identity_type") else ()
    return [(choice.value, choice.label) for choice in choices]
