"""Pixel IDs and access tokens copied from documentation, such as `YOUR PIXEL ID`: TikTok knows none of them."""

import re
from collections.abc import Mapping
from typing import Final

from tiktok_forwarder.mapping.reading import Problems, shown

# TikTok's own have letters and digits only.
_NEVER_IN_REAL_ONES: Final = re.compile(
    r"""
    \s | [<>{}\[\]…]                 # YOUR PIXEL ID, <pixel>, ${TOKEN}, {{Access-Token}}
    | ^your | change[_-]?me | placeholder
    | ^[x.*?_-]+$ | x{6}             # xxx, C4XXXXXXXX
    """,
    re.IGNORECASE | re.VERBOSE,
)
_WORDS_ABOUT_THEM: Final = frozenset(
    {
        *("pixel", "pixelid", "pixelcode", "access", "token", "accesstoken", "event", "source", "id", "code"),
        *("the", "my", "your", "tiktok", "api", "enter", "insert", "paste", "here"),
    }
)
_SEPARATORS: Final = re.compile(r"[_.-]+")


def is_placeholder(value: str) -> bool:
    """Return whether this cannot be a pixel ID or an access token.

    `PIXEL_ID` and `my-access-token` consist of words about them. Another word, as in `EXAMPLEPIXEL`, makes a value.
    """
    words = [word for word in _SEPARATORS.split(value.lower()) if word]
    return _NEVER_IN_REAL_ONES.search(value) is not None or _WORDS_ABOUT_THEM.issuperset(words)


def refuse_placeholders(values: Mapping[str, object], problems: Problems) -> None:
    """Note a problem for a placeholder among the settings that are to be saved."""
    pixel, token = values.get("pixel_id"), values.get("access_token")
    # One problem a setting: a text of several lines has been refused already.
    if isinstance(pixel, str) and is_placeholder(pixel) and not problems.has("pixel_id"):
        problems.add("pixel_id", f"must be the ID that TikTok Events Manager shows for your pixel, not {shown(pixel)}")
    if isinstance(token, str) and is_placeholder(token):
        problems.add(
            "access_token",
            "must be the token that TikTok Events Manager generated, not a placeholder (its value is not shown)",
        )
