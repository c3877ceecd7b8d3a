"""The page URL, the referrer and the click ID: what TikTok accepts, and where they are found."""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.candidates import candidates
from tiktok_forwarder.mapping.places import path_of
from tiktok_forwarder.mapping.sources import Occurrence, Source
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS
from tiktok_forwarder.mparticle.values import is_dummy, visible
from tiktok_forwarder.tiktok.events import CLICK_ID_PREFIX, MAX_CLICK_ID_CHARACTERS

# The form of nearly every URL; any other goes through the slow check.
_ORDINARY_URL: Final = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?:[/?#][!-~]*)?")
_FORBIDDEN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_DUMMY_CLICK_ID: Final = re.compile(r"__.*__|\{.*\}|test|dummy", re.IGNORECASE | re.DOTALL)


def is_page_url(url: str) -> bool:
    """Return whether TikTok can process the URL: http or https, a host, no white space and no control character."""
    if len(url) > MAX_CHARACTERS:
        return False
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


def find_page_url(given: Sequence[Source], occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> bool:
    """Set the occurrence's page URL to the first usable one. Return whether there is any text that should be one."""
    first = given[0]
    if first.kind == "flag":
        url = (occurrence.data.custom_flags or {}).get(str(first.value))
        # The quick way for nearly every event; below is the rule.
        if type(url) is str and len(url) <= MAX_CHARACTERS and _ORDINARY_URL.fullmatch(url):
            occurrence.page_url, occurrence.page_url_path = url, path_of("flag", str(first.value), "")
            return True
    present = False
    for candidate in candidates(given, occurrence):
        if is_page_url(candidate.text):
            occurrence.page_url, occurrence.page_url_path = candidate.text, candidate.path
            candidate.note("url", given, sources)
            if present:
                warnings.append("page_url_replaced")
            return True
        present = True
    return present


def referrer_of(given: Sequence[Source], occurrence: Occurrence, sources: FieldSources) -> str | None:
    for candidate in candidates(given, occurrence):
        if not is_dummy(candidate.text):
            candidate.note("referrer", given, sources)
            return candidate.text
    return None


def click_id_of(
    given: Sequence[Source], occurrence: Occurrence, warnings: list[str], sources: FieldSources
) -> str | None:
    """Return the first usable click ID. Those that are not, before it, add their warning."""
    found: str | None = None
    of_flag: str | None = None
    of_url: str | None = None
    for candidate in candidates(given, occurrence):
        if found is not None and not _is_compared(candidate.source.kind, of_flag, of_url):
            continue
        click_id = visible(candidate.text).strip()
        problem = _problem_of(click_id)
        if problem is not None:
            if found is None and click_id:
                warnings.append(problem)
            continue
        if candidate.source.kind == "flag":
            of_flag = of_flag or click_id
        elif candidate.source.kind == "url_parameter":
            of_url = of_url or click_id
        if found is None:
            found = click_id
            candidate.note("ttclid", given, sources)
    if of_flag is not None and of_url is not None and of_flag != of_url:
        warnings.append("ttclid_differs")
    if found is not None and not found.startswith(CLICK_ID_PREFIX):
        warnings.append("ttclid_unexpected_format")
    return found


def _is_compared(kind: str, of_flag: str | None, of_url: str | None) -> bool:
    """Return whether a source behind the click ID that is sent is looked at: to compare a flag with an address."""
    return (kind == "flag" and of_flag is None and of_url is not None) or (
        kind == "url_parameter" and of_url is None and of_flag is not None
    )


def _problem_of(click_id: str) -> str | None:
    if len(click_id) > MAX_CLICK_ID_CHARACTERS:
        return "ttclid_too_long"
    if not click_id or is_dummy(click_id) or _DUMMY_CLICK_ID.fullmatch(click_id):
        return "ttclid_dummy_omitted"
    return None


def without_parameters(url: str, names: Iterable[str]) -> str:
    """Return the URL without these parameters in its query and in that of its fragment."""
    for name in names:
        if name in url:
            address, mark, fragment = url.partition("#")
            url = f"{_without_parameter(address, name)}{mark}{_without_parameter(fragment, name)}"
    return url


def _without_parameter(address: str, name: str) -> str:
    path, mark, query = address.partition("?")
    if not mark:
        return address
    # An ampersand that separates stands in the even places, the parameters in between.
    parts = _AMPERSANDS.split(query)
    kept = [number for number in range(0, len(parts), 2) if parts[number].partition("=")[0] != name]
    if len(kept) * 2 - 1 == len(parts):
        return address
    if not kept:
        return path
    text = parts[kept[0]] + "".join(parts[number - 1] + parts[number] for number in kept[1:])
    return f"{path}?{text}"


_AMPERSANDS: Final = re.compile("(&amp;|&#038;|&)")
