"""Writes docs/reference/ from what the program itself knows: settings, connection fields, commands and metrics.

`make docs` runs it. A test compares its pages with those in the tree.
"""

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import click
import structlog
from prometheus_client.parser import text_string_to_metric_families

from tiktok_forwarder.cli.main import COMMANDS, commands
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryStatus
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.custom import COMMERCE_FIELDS, PRODUCT_FIELDS
from tiktok_forwarder.mapping.fields import FIELDS, Field
from tiktok_forwarder.mparticle.identities import IDENTITY_TYPES
from tiktok_forwarder.settings import ENVIRONMENT_PREFIX, KEY_VARIABLE, SETTINGS, Setting
from tiktok_forwarder.store.events import QueueCounts, TotalsRow
from tiktok_forwarder.telemetry.telemetry import Telemetry
from tiktok_forwarder.tiktok.events import EVENTS
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

REFERENCE: Final = Path(__file__).parents[1] / "docs" / "reference"
_NOTICE: Final = "<!-- Made by `make docs`; change the program instead, and make it again. -->\n"
_PROGRAM: Final = "tiktok-forwarder"
_HELP_COLUMNS: Final = 100


def pages() -> Mapping[str, str]:
    """Every page of the reference, by file name."""
    return {
        "settings.md": settings_page(),
        "connection.md": connection_page(),
        "commands.md": commands_page(),
        "metrics.md": metrics_page(),
    }


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _code(value: object) -> str:
    return f"`{value}`" if value not in (None, "") else ""


# --- settings of the process -----------------------------------------------------------------------------------------

_SETTINGS_INTRODUCTION: Final = f"""# Settings

Settings of the process. Each is read from, the first that has it: the command line (`--host`, `--port`, `--data-dir`),
the environment (`{ENVIRONMENT_PREFIX}` and the name in capitals, such as `{ENVIRONMENT_PREFIX}PORT`), the TOML file
that `--config` names. An unknown name or a value that is not allowed ends the start, with one line for everything that
is wrong. `{_PROGRAM} settings` prints the values in force and where each came from.

"""
_SETTINGS_END: Final = f"""
`{KEY_VARIABLE}` is no setting and is shown nowhere: the key of the stored secrets (32
bytes as base64 or hexadecimal digits), in place of the key file.

What is said per TikTok pixel, such as its access token, is a [setting of a connection](connection.md).
"""


def settings_page() -> str:
    header = ("name", "default", "allowed", "meaning")
    rows = ((_code(each.name), _code(each.default), _allowed(each), each.help) for each in SETTINGS)
    return _NOTICE + _SETTINGS_INTRODUCTION + _table(header, rows) + _SETTINGS_END


def _allowed(setting: Setting) -> str:
    if setting.kind == "choice":
        return ", ".join(map(_code, setting.choices))
    if setting.kind == "https_url":
        return "`https://` and a host without a path, or empty"
    if setting.kind in ("text", "path"):
        return setting.kind
    return ("whole number, " if setting.kind == "integer" else "number, ") + _range(setting.minimum, setting.maximum)


def _range(minimum: float, maximum: float) -> str:
    return f"{minimum:,.15g} or more" if math.isinf(maximum) else f"{minimum:,.15g} to {maximum:,.15g}"


# --- settings of a connection ----------------------------------------------------------------------------------------

_CONNECTION_INTRODUCTION: Final = """# Settings of a connection

A connection is one TikTok pixel. A file for `tiktok-forwarder connections add` or `tiktok-forwarder map --connection`
has these keys, as TOML; `access_token = "env:NAME"` takes the token from the environment variable `NAME`. Unknown keys
and values that are not allowed are refused, all of them at once.

"""
_CUSTOM_MAPPINGS: Final = """
## Custom mappings

A custom mapping says: when this mParticle event arrives, send that TikTok event, with these properties.

```toml
[[custom_mappings]]
event = "Search"                      # the TikTok event
event_type = "custom_event"           # custom_event, screen_view or commerce_event
event_name = "Site Search"            # name of the event or screen, or the product action; case does not matter
custom_event_type = "search"          # optional, with custom_event only
conditions = [ { attribute = "results", values = ["1", "2"] } ]   # optional; all must hold
[custom_mappings.properties]
query = { attribute = "term", required = true }
description = { static = "site search" }
```

With `required = true` the mapping gives nothing when the value is absent. A mapping goes before the standard mapping of
the same event. `tiktok-forwarder map --connection shop.toml --explain < batch.json` shows what comes of it.

A property has exactly one source:

"""
_SOURCES: Final = (
    ("`attribute`", "the name of an attribute of the event"),
    ("`user_attribute`", "the name of an attribute of the user"),
    ("`field`", "`name` of any event; of a commerce event " + ", ".join(f"`{each}`" for each in COMMERCE_FIELDS)),
    ("`product`", ", ".join(f"`{each}`" for each in PRODUCT_FIELDS)),
    ("`product_attribute`", "the name of an attribute of the product"),
    ("`static`", "the value itself"),
)
_EVENTS_INTRODUCTION: Final = """
These TikTok events can be mapped to. Every one takes `description` too:

"""
_IDENTITY_INTRODUCTION: Final = """
## Identity types

Values of the three identity type settings, and what mParticle's pages call them:

"""


def _versions(event: str) -> str:
    """The versions of the Events API that know the event, oldest first."""
    return " and ".join(sorted(name for name, form in WIRE_FORMS.items() if event in form.events))


def connection_page() -> str:
    header = ("key", "label", "default", "allowed", "meaning")
    rows = ((_code(each.name), each.label, _default(each), _allowed_in_field(each), each.help) for each in FIELDS)
    events = (
        (_code(each.name), ", ".join(map(_code, each.properties)), _versions(each.name)) for each in EVENTS.values()
    )
    identities = ((_code(name), label) for name, label in IDENTITY_TYPES.items())
    return (
        _NOTICE
        + _CONNECTION_INTRODUCTION
        + _table(header, rows)
        + _CUSTOM_MAPPINGS
        + _table(("source", "its value"), iter(_SOURCES))
        + _EVENTS_INTRODUCTION
        + _table(("TikTok event", "properties", "Events API"), events)
        + _IDENTITY_INTRODUCTION
        + _table(("value", "name at mParticle"), identities)
    )


def _default(field: Field) -> str:
    if field.default is None:
        return "required" if field.required else ""
    return _code(str(field.default).lower() if isinstance(field.default, bool) else field.default)


def _allowed_in_field(field: Field) -> str:
    if field.kind == "identity_type":
        return "an [identity type](#identity-types)"
    if field.kind == "mappings":
        return "[custom mappings](#custom-mappings)"
    if field.choices:
        return ", ".join(_code(choice.value) for choice in field.choices)
    if field.minimum is not None and field.maximum is not None:
        return f"{field.kind}, {_range(field.minimum, field.maximum)}"
    return field.kind


# --- commands --------------------------------------------------------------------------------------------------------


def commands_page() -> str:
    top = click.Context(commands, info_name=_PROGRAM, **commands.context_settings, terminal_width=_HELP_COLUMNS)
    sections = [_section(commands, top)]
    for name in COMMANDS:
        command = commands.get_command(top, name)
        if command is not None:
            sections += _with_subcommands(command, _context(command, name, top))
    return _NOTICE + "# Commands\n\nWhat `--help` says.\n" + "".join(sections)


def _context(command: click.Command, name: str, parent: click.Context) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=_HELP_COLUMNS)


def _with_subcommands(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _with_subcommands(each, _context(each, name, context))


def _section(command: click.Command, context: click.Context) -> str:
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"\n## {context.command_path}\n\n```text\n{help_text}\n```\n"


# --- metrics ---------------------------------------------------------------------------------------------------------

_METRICS_INTRODUCTION: Final = """# Metrics

`GET /metrics` on the service's port, in Prometheus' text form, for processes of the same machine. No label holds
anything of a person. `deploy/grafana/` has a dashboard of them, `deploy/prometheus/` alert rules. Reasons, verdicts and
conditions are explained in the [glossary](../glossary.md).

"""
_ANY: Final = "example"


class ExportedMetric(NamedTuple):
    """`samples` are the names that queries use: of a histogram `_bucket`, `_sum` and `_count`."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]
    samples: tuple[str, ...]


def exported_metrics() -> list[ExportedMetric]:
    """Every metric with its labels, read off a telemetry that has been told one thing of each kind."""
    return [
        ExportedMetric(
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            family.documentation,
            tuple(dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le")),
            tuple(dict.fromkeys(sample.name for sample in family.samples)),
        )
        for family in text_string_to_metric_families(_talkative_telemetry().exposition().decode())
    ]


def _talkative_telemetry() -> Telemetry:
    telemetry = Telemetry(structlog.wrap_logger(structlog.PrintLogger(io.StringIO())))
    telemetry.figures.totals = (TotalsRow(_ANY, "dropped", _ANY, 1),)
    telemetry.figures.counts = {_ANY: QueueCounts(1, 0, 0, 0, 1)}
    telemetry.figures.testing = (_ANY,)
    telemetry.figures.statuses = {_ANY: DeliveryStatus(_ANY, "healthy")}
    telemetry.on_answered(_ANY, 202, "", 0)
    telemetry.on_received(_ANY, 1, 1)
    telemetry.on_historical(_ANY, 1)
    telemetry.on_stored(0)
    telemetry.on_loop_lag(0)
    telemetry.on_warnings(_ANY, _ANY)
    telemetry.on_attempted(Attempt(_ANY, "accepted", Answer(200, 0), (), 0))
    telemetry.on_failed(_ANY, RuntimeError())
    return telemetry


def metrics_page() -> str:
    rows = (
        (_code(each.name), each.kind, ", ".join(map(_code, each.labels)), each.meaning) for each in exported_metrics()
    )
    return _NOTICE + _METRICS_INTRODUCTION + _table(("metric", "kind", "labels", "meaning"), rows)


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for file_name, text in pages().items():
        (REFERENCE / file_name).write_text(text)
