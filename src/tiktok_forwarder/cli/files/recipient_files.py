"""Recipients of notices in TOML files, fit for version control: secrets are in the environment, not in the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from tiktok_forwarder.api.notices import RecipientView
from tiktok_forwarder.cli.files.references import resolved_secret
from tiktok_forwarder.cli.files.tables import read_tables
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.notices.incidents import INCIDENT_KINDS
from tiktok_forwarder.notices.recipient_settings import RecipientSettings

_MANY: Final = "recipients"
SECRETS: Final = ("url", "smtp_password")


def read_recipient_files(files: Sequence[Path], known: Sequence[str]) -> list[RecipientSettings]:
    """Return the recipients in the files, with `env:NAME` replaced by the variable's value.

    A recipient that is `known` by name may lack its variables: its secrets then do not change. Raises
    `ConfigurationError` with every problem.
    """
    problems: list[str] = []
    found: list[RecipientSettings] = []
    for file in files:
        for index, table in enumerate(read_tables(file, _MANY, problems)):
            label = f"{file}: {_MANY}[{index}]"
            try:
                settings = msgspec.convert(table, RecipientSettings)
            except msgspec.ValidationError as error:
                problems.append(f"{label}: {error}")
                continue
            is_known = settings.name.strip().lower() in {name.lower() for name in known}
            found.append(_resolved(settings, label, problems, is_known=is_known))
    if problems:
        raise ConfigurationError(problems)
    return found


def _resolved(settings: RecipientSettings, label: str, problems: list[str], *, is_known: bool) -> RecipientSettings:
    resolved: dict[str, str | None] = {}
    for field in SECRETS:
        text = getattr(settings, field)
        try:
            resolved[field] = text if text is None else resolved_secret(text, field)
        except ConfigurationError as error:
            resolved[field] = None
            if not is_known:
                problems += [f"{label}: {problem}" for problem in error.problems]
    return msgspec.structs.replace(settings, **resolved)


def recipients_toml(recipients: Sequence[RecipientView]) -> str:
    """Return the recipients as one text."""
    # The library alone would put each on one line.
    return "\n".join(f"[[{_MANY}]]\n{tomli_w.dumps(_table(each))}" for each in recipients)


def _table(found: RecipientView) -> dict[str, Any]:
    table: dict[str, Any] = {"name": found.name, "kind": found.kind}
    if tuple(found.incidents) != INCIDENT_KINDS:
        table["incidents"] = list(found.incidents)
    if found.kind == "email":
        members = ("to_addresses", "from_address", "smtp_host", "smtp_port", "smtp_security", "smtp_username")
        table |= {name: value for name in members if (value := getattr(found, name)) is not None}
    return table
