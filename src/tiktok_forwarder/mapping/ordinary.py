"""The quick way of nearly every event: event ID, click ID and URLs of a form to which their rules do nothing.

One pattern recognizes the form of all four. The rules are in `event_id.py` and `page.py`, and apply to all other
events; the tests compare both ways.
"""

import re
from typing import Any, Final

from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.places import FLAGS
from tiktok_forwarder.mapping.redaction.identities import QUIET_ESCAPE, IdentityValues, may_reveal_quietly
from tiktok_forwarder.mapping.sources import CLICK_ID_PARAMETER, DEFAULT_SOURCES, CommonField, Occurrence
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS
from tiktok_forwarder.tiktok.events import CLICK_ID_PREFIX, MAX_CLICK_ID_CHARACTERS
from tiktok_forwarder.tiktok.payload import Page

_FIELDS: Final[tuple[CommonField, ...]] = ("event_id", "page_url", "page_referrer", "ttclid")
_URL_FLAG, _REFERRER_FLAG, _CLICK_ID_FLAG = (str(DEFAULT_SOURCES[field][0].value) for field in _FIELDS[1:])
_URL_PATH: Final = f"{FLAGS}.{_URL_FLAG}"
# No placeholder has a digit but 0, at its beginning.
_EVENT_ID: Final = "(?=[A-Za-z_.:-]*[0-9])[1-9A-Za-z][0-9A-Za-z_.:-]*+"
_CLICK_ID: Final = rf"{re.escape(CLICK_ID_PREFIX)}[!-~]{{1,{MAX_CLICK_ID_CHARACTERS - len(CLICK_ID_PREFIX)}}}+"
_URL: Final = f"https?://[A-Za-z0-9][A-Za-z0-9.-]*+(?:[/?#][!-$&-~]*+(?:{QUIET_ESCAPE}[!-$&-~]*+)*+)?"
_is_ordinary: Final = re.compile(f"{_EVENT_ID}\n(?:{_CLICK_ID})?\n{_URL}\n(?:{_URL})?").fullmatch


Texts = tuple[str, str | None, Page]
"""What is sent of the four fields: event ID, click ID, URLs."""


class OrdinaryReader:
    """Recognizes ordinary events, unless the connection takes one of the fields from sources of its own."""

    def __init__(self, connection: Connection) -> None:
        self._applies = not any(field in connection.sources or field in connection.omit for field in _FIELDS)

    def texts(self, occurrence: Occurrence, identities: IdentityValues) -> Texts | None:
        """Return what is sent of an ordinary event, and set the occurrence's page URL; None for any other event."""
        data = occurrence.data
        flags = data.custom_flags
        if flags is None or not self._applies:
            return None
        event_id: Any = data.source_message_id
        click_id: Any = flags.get(_CLICK_ID_FLAG, "")
        url: Any = flags.get(_URL_FLAG)
        referrer: Any = flags.get(_REFERRER_FLAG, "")
        # `join` refuses what is no text.
        try:
            urls = "\n".join((url, referrer))
            texts = "\n".join((event_id, click_id, urls))
        except TypeError:
            return None
        if (
            len(texts) > MAX_CHARACTERS
            or _is_ordinary(texts) is None
            or CLICK_ID_PARAMETER in urls
            or may_reveal_quietly(urls, identities)
            or (data.page_url is not None and CLICK_ID_PARAMETER in str(data.page_url))
            or (not click_id and _has_attribute(occurrence))
        ):
            return None
        occurrence.page_url, occurrence.page_url_path = url, _URL_PATH
        return event_id, click_id or None, Page(url, referrer or None)


def _has_attribute(occurrence: Occurrence) -> bool:
    """Return whether an attribute is named like the click ID."""
    attributes, of_user = occurrence.data.custom_attributes, occurrence.batch.user_attributes
    return bool((attributes and CLICK_ID_PARAMETER in attributes) or (of_user and CLICK_ID_PARAMETER in of_user))
