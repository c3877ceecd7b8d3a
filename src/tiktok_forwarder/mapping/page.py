"""The page URL and the click ID: what TikTok accepts, and where a click ID can be found."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.places import CALLBACK_FLAG, URL_PARAMETER
from tiktok_forwarder.tiktok.events import CLICK_ID_PREFIX, MAX_CLICK_ID_CHARACTERS

# The form of nearly every URL; any other goes through the slow check.
_ORDINARY_URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?:[/?#][!-~]*)?")
_FORBIDDEN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_DUMMY_CLICK_ID: Final = re.compile(r"__.*__|\{.*\}|null|undefined|none|test|dummy", re.IGNORECASE | re.DOTALL)


def is_page_url(url: str) -> bool:
    """Return whether TikTok can process the URL: http or https, a host, no white space and no control character."""
    if _ORDINARY_URL.fullmatch(url):
        return True
    if _FORBIDDEN.search(url) or not url[:8].lower().startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        return False
    return bool(parts.hostname)


def click_id_in(url: str) -> str | None:
    """Return the first `ttclid` query parameter that is not blank, percent-decoded; `+` stays a plus.

    None if missing.
    """
    if "ttclid" not in url:
        return None
    query = url.partition("#")[0].partition("?")[2]
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name == "ttclid" and (decoded := unquote(value).strip()):
            return decoded
    return None


def usable_click_id(flag: str | None, url: str, warnings: list[str], sources: FieldSources) -> str | None:
    """Return the first usable one of `CLICK_IDS`; each that is not usable adds its warning."""
    if flag is not None and flag.startswith(CLICK_ID_PREFIX) and len(flag) <= MAX_CLICK_ID_CHARACTERS:
        return flag
    for source, click_id in ((CALLBACK_FLAG, flag), (URL_PARAMETER, click_id_in(url))):
        if click_id is None:
            continue
        if click_id.startswith(CLICK_ID_PREFIX) and len(click_id) <= MAX_CLICK_ID_CHARACTERS:
            sources["ttclid"] = source
            return click_id
        if len(click_id) > MAX_CLICK_ID_CHARACTERS:
            warnings.append("ttclid_too_long")
        elif _DUMMY_CLICK_ID.fullmatch(click_id):
            warnings.append("ttclid_dummy_omitted")
        else:
            warnings.append("ttclid_unexpected_format")
            sources["ttclid"] = source
            return click_id
    return None
