"""The texts that a field with several sources may be taken from, in the order in which they are tried."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.places import MPARTICLES_URL, parameter_path, path_of
from tiktok_forwarder.mapping.sources import NAME, Occurrence, Source, value_of
from tiktok_forwarder.mparticle.values import flag_text, text_of

# Each event of a batch may search them; a person has a few.
_MAX_PARTNER_IDENTITIES: Final = 100
_PAGE_URL: Final = Source("field", "page_url")


class Candidate(NamedTuple):
    """A text that is present, whether it is usable or not. `path` is where it was found."""

    text: str
    source: Source
    path: str

    def note(self, field: str, given: Sequence[Source], sources: FieldSources) -> None:
        """Note that the field was taken from here, unless that is the only place of its first source."""
        source = self.source
        if source != given[0] or source.kind in ("url_parameter", "partner_identity") or source.value == NAME:
            sources[field] = self.path  # type: ignore[literal-required]  # a member of the same name


def candidates(given: Sequence[Source], occurrence: Occurrence) -> Iterator[Candidate]:
    for source in given:
        if source.kind == "url_parameter":
            for path, text in _parameters(str(source.value), occurrence):
                yield Candidate(text, source, path)
        elif source.kind == "partner_identity":
            found = _partner_identity(str(source.value), occurrence)
            if found is not None:
                yield Candidate(found[1], source, found[0])
        else:
            present = _text_of_source(source, occurrence)
            if present is not None:
                yield Candidate(present, source, path_of(source.kind, str(source.value), occurrence.event_type))


def _text_of_source(source: Source, occurrence: Occurrence) -> str | None:
    value = value_of(source, occurrence, None, {})
    return flag_text(value) if source.kind == "flag" or source == _PAGE_URL else text_of(value)


def _parameters(name: str, occurrence: Occurrence) -> Iterator[tuple[str, str]]:
    """Yield path and value of a parameter: of the page URL, of mParticle's, then of a query in their fragments."""
    urls = [(occurrence.page_url_path, occurrence.page_url), (MPARTICLES_URL, flag_text(occurrence.data.page_url))]
    split = [(path, _separated(url).partition("#")) for path, url in urls if url is not None and name in url]
    for place in (0, 2):
        for path, parts in split:
            value = _parameter(parts[place], name)
            if value is not None:
                yield parameter_path(path, name), value


def _separated(url: str) -> str:
    # Pages that are written by templates escape the ampersand.
    return url.replace("&#038;", "&").replace("&amp;", "&")


def _parameter(address: str, name: str) -> str | None:
    """Return the first value that is not blank, percent-decoded; `+` stays a plus."""
    for parameter in address.partition("?")[2].split("&"):
        key, _, value = parameter.partition("=")
        if key == name and (decoded := unquote(value).strip()):
            return decoded
    return None


def _partner_identity(name: str, occurrence: Occurrence) -> tuple[str, str] | None:
    """Return path and value of a partner identity: a member of an object, or of a list of objects."""
    identities = occurrence.batch.partner_identities
    if isinstance(identities, dict):
        text = text_of(identities.get(name))
        return (path_of("partner_identity", name, ""), text) if text is not None else None
    for number, entry in enumerate((identities or ())[:_MAX_PARTNER_IDENTITIES]):
        # A cookie must be sent as it is; a hash of it matches no one.
        if (
            isinstance(entry, dict)
            and entry.get("identity_type") == name
            and text_of(entry.get("encoding")) in (None, "raw")
        ):
            text = text_of(entry.get("identity"))
            if text is not None:
                return f"partner_identities[{number}].identity", text
    return None
