"""The forms of inputs, and what their senders need: shared by the inputs' pages and a connection's senders."""

import re
from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.api.service import SHOW_SITE_SCRIPT
from tiktok_forwarder.api.types import InputChange, InputCredentials, InputView, NewInputBody, SiteScriptView
from tiktok_forwarder.console.api import unchecked
from tiktok_forwarder.console.browser_settings import BrowserSettings, browser_settings
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.page import PageRequest
from tiktok_forwarder.console.sender_settings import SenderSettings, TopicSettings, sender_settings
from tiktok_forwarder.inputs.settings import KafkaSettings
from tiktok_forwarder.mapping.connection import Connection

_SERVER: Final = "server"
_KAFKA: Final = "kafka"
_REVISION: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def read_new_input(form: Form) -> NewInputBody:
    """Return the form as the API takes it. Origins are a browser input's: for others the field is not shown."""
    kind = unchecked(form.text("kind", _SERVER))
    origins = _lines(form.text("origins")) if kind not in (_SERVER, _KAFKA) else []
    allows_purchases = not form.has("drops_purchases")
    if kind == _KAFKA:
        return NewInputBody(form.text("name"), kind=kind, allows_purchases=allows_purchases, kafka=_kafka(form))
    return NewInputBody(form.text("name"), kind=kind, origins=origins, allows_purchases=allows_purchases)


def read_input_change(form: Form) -> InputChange:
    origins = _lines(form.text("origins")) if form.has("origins") else None
    kafka = _kafka(form) if form.has("servers") else None
    return InputChange(origins, not form.has("drops_purchases"), _number(form.text("revision")), kafka)


def _kafka(form: Form) -> KafkaSettings:
    """Return the settings of a Kafka input; an empty password keeps the stored one."""
    mechanism = form.text("sasl_mechanism")
    return KafkaSettings(
        tuple(_lines(form.text("servers"))),
        tuple(_lines(form.text("topics"))),
        form.text("group"),
        unchecked(form.text("security", "tls")),
        unchecked(mechanism) if mechanism else None,
        form.text("user_name"),
        form.secret("password") or None,
        form.text("ca_certificate").replace("\r\n", "\n"),
    )


def _number(text: str) -> int | None:
    return int(text) if _REVISION.fullmatch(text) else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


async def ready_settings(
    request: PageRequest,
    inputs: Sequence[InputView],
    made: InputCredentials | None = None,
    connection: Connection | None = None,
) -> list[SenderSettings | BrowserSettings | TopicSettings]:
    """Return what the senders of these inputs need; `made` has the secrets if they were created just now."""
    base = request.origin.base
    script = await request.api.call(SHOW_SITE_SCRIPT)
    return [_ready(base, each, script, made, connection) for each in inputs]


def _ready(
    base: str, found: InputView, script: SiteScriptView, made: InputCredentials | None, connection: Connection | None
) -> SenderSettings | BrowserSettings | TopicSettings:
    if found.kafka is not None:
        return TopicSettings(found.name, found.kafka.topics, found.kafka.group)
    if found.kind == "browser":
        return browser_settings(base, found, script)
    return sender_settings(base, found, made if made is not None and made.id == found.id else None, connection)
