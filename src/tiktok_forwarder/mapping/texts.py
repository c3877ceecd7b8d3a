"""How long a text may be, and how one that is longer is cut without leaving half of an address."""

import re
from typing import Final

from tiktok_forwarder.mapping.redaction.memory import remembering
from tiktok_forwarder.mparticle.values import MAX_RAW_CHARACTERS, visible

MAX_CHARACTERS: Final = 4096
TEXT_CUT: Final = "text_cut"
_WHITE_SPACE: Final = re.compile(r"\s")
# In a run of characters with one of these, the cut could leave half of an address, which nothing would recognize.
_ADDRESS_MARKS: Final = "@\uff20&%"
_URL_DIVIDERS: Final = "/?&;#"


def cut_text(text: str) -> str | None:
    """Return the beginning of a text of `properties` that is too long; None if nothing is left."""
    return text if len(text) <= MAX_CHARACTERS else _beginning(text) or None


def _begin(text: str) -> str:
    kept = text[:MAX_CHARACTERS]
    if not text[MAX_CHARACTERS].isspace() and not kept[-1].isspace():
        begin = max((match.end() for match in _WHITE_SPACE.finditer(kept)), default=0)
        mark = min([place for mark in _ADDRESS_MARKS if (place := text.find(mark, begin)) >= 0], default=-1)
        if mark >= 0 and _WHITE_SPACE.search(text, MAX_CHARACTERS, mark) is None:
            kept = kept[:begin]
    return kept.strip()


# All of a batch's events may take the same attribute.
_beginning: Final = remembering(_begin)


def cut_url(url: str) -> str | None:
    """Return the beginning of a referrer that is too long, without the part that the cut would split."""
    if len(url) <= MAX_CHARACTERS:
        return url
    kept = url[:MAX_CHARACTERS]
    if url[MAX_CHARACTERS] not in _URL_DIVIDERS:
        kept = kept[: max(kept.rfind(divider) for divider in _URL_DIVIDERS) + 1]
    return kept.strip() or None


def seen_text(text: str) -> str:
    """Return the text without invisible characters; one that is too long, even without them, is returned as it is."""
    return visible(text).strip() if len(text) <= MAX_RAW_CHARACTERS else text
