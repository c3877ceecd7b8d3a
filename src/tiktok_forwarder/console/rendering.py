"""Templates and the formats used in them. Everything is escaped: contents of events are shown as text."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tiktok_forwarder import __version__
from tiktok_forwarder.console.static_files import StaticFiles
from tiktok_forwarder.domain.outcome import REPLAYABLE, is_loss

_SPANS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_THOUSAND: Final = 1000
_ONE_IN_200: Final = 0.005
_SPELLING: Final = {
    "ip": "IP address",
    "url": "URL",
    "id": "ID",
    "ccpa": "CCPA",
    "ttclid": "click ID",
    # The glossary's words for people.
    "dummy": "placeholder",
    "bot": "crawler",
}


class Rendering:
    def __init__(self, static: StaticFiles) -> None:
        self._environment = Environment(
            loader=PackageLoader("tiktok_forwarder.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            static=static.address, link=link, version=__version__, is_loss=is_loss, replayable=REPLAYABLE
        )
        self._environment.filters.update(
            number=number,
            time=time_tag,
            span=span,
            part=part,
            pretty=pretty,
            label=wire_label,
            sentence=sentence,
            percent=percent,
        )

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        return self._environment.get_template(template).render(values)


def part(text: str) -> str:
    """Quote one segment of a path."""
    return quote(str(text), safe="")


def link(path: str, **query: object) -> str:
    """Return a path with a query; members that are None or empty are omitted."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def number(value: float) -> str:
    """Format with commas between thousands."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def percent(share: float) -> str:
    if 0 < share < _ONE_IN_200:
        return "under 1%"
    return f"{share * 100:.0f}%"


def time_tag(at_ms: int | None) -> Markup:
    """Format a time in UTC; the page's script converts it to the user's time zone."""
    if at_ms is None:
        return Markup("–")
    at = datetime.fromtimestamp(at_ms / _THOUSAND, UTC)
    machine, human = at.isoformat(timespec="milliseconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}">{}</time>').format(machine, human)


def span(seconds: float) -> str:
    """Format a length of time in its largest unit, such as 3 minutes."""
    for length, name in _SPANS:
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{seconds * _THOUSAND:.0f} ms"


def wire_label(name: str) -> str:
    """Return the label of a reason, warning or other wire name: `missing_page_url` is Missing page URL."""
    return _capitalized(" ".join(_SPELLING.get(word, word) for word in name.split("_")))


def uncapitalized(label: str) -> str:
    """Return a label as it reads within a sentence; abbreviations keep their case."""
    return label if label[:2].isupper() else f"{label[:1].lower()}{label[1:]}"


def sentence(text: str) -> str:
    """Return the text with a capital at its beginning and a period at its end."""
    text = text.strip()
    return _capitalized(text) + ("" if text.endswith((".", "?", "…")) or not text else ".")


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def pretty(value: object) -> Markup:
    """Format as indented JSON for a `pre` element."""
    return escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
