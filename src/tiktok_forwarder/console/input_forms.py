"""The forms of inputs, and what their senders need: shared by the inputs' pages and a connection's senders."""

import re
from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.api.service import SHOW_SITE_SCRIPT
from tiktok_forwarder.api.types import InputChange, InputCredentials, InputView, NewInputBody
from tiktok_forwarder.console.api import unchecked
from tiktok_forwarder.console.browser_settings import BrowserSettings, browser_settings
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.page import PageRequest
from tiktok_forwarder.console.sender_settings import SenderSettings, sender_settings
from tiktok_forwarder.mapping.connection import Connection

_SERVER: Final = "server"
_REVISION: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


def read_new_input(form: Form) -> NewInputBody:
    """Return the form as the API takes it. Origins are a browser input's: for others the field is not shown."""
    kind = unchecked(form.text("kind", _SERVER))
    origins = _lines(form.text("origins")) if kind != _SERVER else []
    return NewInputBody(form.text("name"), kind=kind, origins=origins, allows_purchases=not form.has("drops_purchases"))


def read_input_change(form: Form) -> InputChange:
    origins = _lines(form.text("origins")) if form.has("origins") else None
    return InputChange(origins, not form.has("drops_purchases"), _number(form.text("revision")))


def _number(text: str) -> int | None:
    return int(text) if _REVISION.fullmatch(text) else None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


async def ready_settings(
    request: PageRequest,
    inputs: Sequence[InputView],
    made: InputCredentials | None = None,
    connection: Connection | None = None,
) -> list[SenderSettings | BrowserSettings]:
    """Return what the senders of these inputs need; `made` has the secrets if they were created just now."""
    base = request.origin.base
    script = await request.api.call(SHOW_SITE_SCRIPT)
    return [
        browser_settings(base, each, script)
        if each.kind == "browser"
        else sender_settings(base, each, made if made is not None and made.id == each.id else None, connection)
        for each in inputs
    ]
