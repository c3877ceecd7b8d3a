"""Texts that are kept for people: names and IDs of events that are not sent, and TikTok's answers.

The rules are stricter than for what is sent: a word is kept whole or not at all, so that nothing of an address is left.
"""

import re
from typing import Final

from tiktok_forwarder.mapping.redaction.decoding import may_be_encoded, plainly_seen
from tiktok_forwarder.mapping.redaction.emails import REDACTED
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, holds_identity
from tiktok_forwarder.mapping.texts import cut_text

# A local part in quotes may hold white space.
_QUOTED_LOCAL_PART: Final = re.compile(r'"[^"]*"@')
# Complete or cut off.
_ADDRESS: Final = re.compile(r"[^\s@]@")
_PHONE: Final = re.compile(r"(?:\+|%2B)[\s(]{0,3}[1-9](?:[\s()./-]{0,3}[0-9]){6,14}", re.ASCII | re.IGNORECASE)


def kept_text(text: str, max_characters: int, values: IdentityValues | None = None) -> str:
    """Return the beginning of a text without email addresses and phone numbers, all of it redacted if it has a value.

    Redacted before it is cut: half of an address would not be recognized.
    """
    beginning = cut_text(text)
    if beginning is None:
        return REDACTED
    encoded = may_be_encoded(beginning)
    if values is not None and holds_identity(plainly_seen(beginning) if encoded else beginning, values):
        return REDACTED
    if encoded:
        beginning = _without_addresses(beginning)
    if "+" in beginning or "%2" in beginning:
        beginning = _PHONE.sub(REDACTED, beginning)
    return beginning[:max_characters]


def _without_addresses(text: str) -> str:
    """Return the text without the words in which an address stands, however it is encoded."""
    if _ADDRESS.search(plainly_seen(text)) is None:
        return text
    text = _QUOTED_LOCAL_PART.sub("_@", text)
    return " ".join([REDACTED if _ADDRESS.search(plainly_seen(word)) else word for word in text.split()])
