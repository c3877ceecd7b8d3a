"""The page URL, the referrer and the click ID: what TikTok accepts, and where they are found."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.candidates import candidates
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.redaction.emails import EMAIL_REDACTED, redacted, without_user_information
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, may_reveal, without_identities
from tiktok_forwarder.mapping.sources import CLICK_ID_PARAMETER, Occurrence
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT, cut_url, seen_text
from tiktok_forwarder.mparticle.values import is_dummy
from tiktok_forwarder.tiktok.events import CLICK_ID_PREFIX, MAX_CLICK_ID_CHARACTERS
from tiktok_forwarder.tiktok.payload import Page

_FORBIDDEN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_DUMMY_CLICK_ID: Final = re.compile(r"__.*__|\{.*\}|test|dummy", re.IGNORECASE | re.DOTALL)


def is_page_url(url: str) -> bool:
    """Return whether TikTok can process the URL: http or https, a host, no white space and no control character."""
    if len(url) > MAX_CHARACTERS:
        return False
    if _FORBIDDEN.search(url) or not url[:8].lower().startswith(("http://", "https://")):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it checks it
    except ValueError:
        return False
    return bool(parts.hostname)


class PageReader:
    """Finds page URL, referrer and click ID by a connection's settings, and removes what must not be sent of them."""

    def __init__(self, connection: Connection) -> None:
        self._urls = connection.sources_of("page_url")
        self._referrers = connection.sources_of("page_referrer")
        self._click_ids = connection.sources_of("ttclid")
        self._parameters = tuple(str(each.value) for each in self._click_ids if each.kind == "url_parameter")
        self._omits_referrer = "page_referrer" in connection.omit
        self._omits_click_id = "ttclid" in connection.omit
        self._redacts = connection.redact_emails

    def find_url(self, occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> None:
        """Set the occurrence's page URL to the first usable one."""
        is_replaced = False
        for candidate in candidates(self._urls, occurrence):
            if is_page_url(candidate.text):
                occurrence.page_url, occurrence.page_url_path = candidate.text, candidate.path
                candidate.note("url", self._urls, sources)
                if is_replaced:
                    warnings.append("page_url_replaced")
                return
            is_replaced = True

    def has_url(self, occurrence: Occurrence) -> bool:
        """Return whether there is any text in the place of the page URL, usable or not."""
        return next(candidates(self._urls, occurrence), None) is not None

    def page(
        self, occurrence: Occurrence, identities: IdentityValues, warnings: list[str], sources: FieldSources
    ) -> Page:
        """Return page URL and referrer as they are sent."""
        url = occurrence.page_url or ""
        referrer = None if self._omits_referrer else self._referrer(occurrence, sources)
        # The quick way for nearly every event; below is the rule.
        both = url if referrer is None else f"{url}\n{referrer}"
        if (
            not self._omits_click_id
            and len(both) <= MAX_CHARACTERS
            and both.isascii()
            and " " not in both
            and not may_reveal(both, identities)
        ):
            return Page(url, referrer)
        if self._omits_click_id:
            names = {CLICK_ID_PARAMETER, *self._parameters}
            url = without_parameters(url, names)
            referrer = without_parameters(referrer, names) if referrer is not None else None
        if not self._redacts:
            return Page(url, _cut(referrer, warnings))
        plain = without_user_information(referrer) if referrer is not None else None
        cut = _cut(plain, warnings)
        clean_url = redacted(without_user_information(url))
        clean_referrer = redacted(cut) if cut is not None else None
        if clean_url != url or clean_referrer != cut or plain != referrer:
            warnings.append(EMAIL_REDACTED)
        page = Page(
            without_identities(clean_url, identities),
            without_identities(clean_referrer, identities) if clean_referrer is not None else None,
        )
        if page.url != clean_url or page.referrer != clean_referrer:
            warnings.append("identity_redacted")
        return page

    def _referrer(self, occurrence: Occurrence, sources: FieldSources) -> str | None:
        for candidate in candidates(self._referrers, occurrence):
            if not is_dummy(candidate.text):
                candidate.note("referrer", self._referrers, sources)
                return candidate.text
        return None

    def click_id(self, occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> str | None:
        """Return the first usable click ID. Those that are not, before it, add their warning."""
        if self._omits_click_id:
            return None
        found: str | None = None
        of_flag: str | None = None
        of_url: str | None = None
        for candidate in candidates(self._click_ids, occurrence):
            kind = candidate.source.kind
            if found is not None and not _is_compared(kind, of_flag, of_url):
                continue
            click_id = seen_text(candidate.text)
            problem = _problem_of(click_id)
            if problem is not None:
                if found is None and click_id:
                    warnings.append(problem)
                continue
            if kind == "flag":
                of_flag = of_flag or click_id
            elif kind == "url_parameter":
                of_url = of_url or click_id
            if found is None:
                found = click_id
                candidate.note("ttclid", self._click_ids, sources)
        if of_flag is not None and of_url is not None and of_flag != of_url:
            warnings.append("ttclid_differs")
        if found is not None and not found.startswith(CLICK_ID_PREFIX):
            warnings.append("ttclid_unexpected_format")
        return found


def _cut(referrer: str | None, warnings: list[str]) -> str | None:
    if referrer is None or len(referrer) <= MAX_CHARACTERS:
        return referrer
    warnings.append(TEXT_CUT)
    return cut_url(referrer)


def _is_compared(kind: str, of_flag: str | None, of_url: str | None) -> bool:
    """Return whether a source behind the click ID that is sent is still read: to compare a flag with an address."""
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
    # The parameters have the even places, the ampersands between them the odd ones.
    parts = _AMPERSANDS.split(query)
    kept = [number for number in range(0, len(parts), 2) if parts[number].partition("=")[0] != name]
    if len(kept) * 2 - 1 == len(parts):
        return address
    if not kept:
        return path
    text = parts[kept[0]] + "".join(parts[number - 1] + parts[number] for number in kept[1:])
    return f"{path}?{text}"


_AMPERSANDS: Final = re.compile("(&amp;|&#038;|&)")
