"""How long a text may be, and how one that is longer is cut without leaving half of an address."""

import re
from typing import Final

MAX_CHARACTERS: Final = 4096
TEXT_CUT: Final = "text_cut"
_WHITE_SPACE: Final = re.compile(r"\s")
# In a run of characters with one of these, the cut could leave half of an address, which nothing would recognize.
_ADDRESS_MARK: Final = re.compile("[@\uff20&%]")
_URL_DIVIDERS: Final = "/?&;#"


def cut_text(text: str) -> str | None:
    """Return the beginning of a text of `properties` that is too long; None if nothing is left."""
    if len(text) <= MAX_CHARACTERS:
        return text
    kept = text[:MAX_CHARACTERS]
    if not text[MAX_CHARACTERS].isspace() and not kept[-1].isspace():
        behind = _WHITE_SPACE.search(text, MAX_CHARACTERS)
        begin = max((match.end() for match in _WHITE_SPACE.finditer(kept)), default=0)
        if _ADDRESS_MARK.search(text, begin, behind.start() if behind is not None else len(text)) is not None:
            kept = kept[:begin]
    return kept.strip() or None


def cut_url(url: str) -> str | None:
    """Return the beginning of a referrer that is too long, without the part that the cut would split."""
    if len(url) <= MAX_CHARACTERS:
        return url
    kept = url[:MAX_CHARACTERS]
    if url[MAX_CHARACTERS] not in _URL_DIVIDERS:
        kept = kept[: max(kept.rfind(divider) for divider in _URL_DIVIDERS) + 1]
    return kept.strip() or None
