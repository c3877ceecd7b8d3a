"""mParticle's 22 identity types: every spelling that its SDKs, outputs and pages use, and how to find a value."""

from functools import lru_cache
from typing import Final

from tiktok_forwarder.mparticle.values import text_of, visible_text

# Wire name of the Events API -> display name of mParticle's pages.
IDENTITY_TYPES: Final[dict[str, str]] = {
    "customer_id": "Customer ID",
    "email": "Email",
    "mobile_number": "Mobile Number",
    "phone_number_2": "Phone Number 2",
    "phone_number_3": "Phone Number 3",
    "other": "Other",
    **{f"other_id_{n}": f"Other {n}" for n in range(2, 11)},
    "facebook_custom_audience_id": "Facebook Audience ID",
    "facebook": "Facebook ID",
    "twitter": "Twitter ID",
    "google": "Google ID",
    "microsoft": "Microsoft ID",
    "yahoo": "Yahoo ID",
    "alias": "Alias",
}


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


_SPELLINGS: Final[dict[str, str]] = {
    **{_squeezed(name): name for name in IDENTITY_TYPES},
    **{_squeezed(label): name for name, label in IDENTITY_TYPES.items()},
    **{f"other{n}": f"other_id_{n}" for n in range(2, 11)},
    "customer": "customer_id",  # Firehose
    "emailaddress": "email",
    "mobiletelephonenumber": "mobile_number",
    "facebookappuserid": "facebook_custom_audience_id",
    "twitterhandle": "twitter",
}


# SHA-256 of the empty string: some senders hash an empty field.
EMPTY_DIGEST: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


_DIGEST_LENGTH: Final = len(EMPTY_DIGEST)
_MAX_SPELLING_LENGTH: Final = 64
# Each URL and name of a batch is searched for them; a person has a few.
_MAX_TEXTS: Final = 100


def identity_type_of(spelling: str) -> str | None:
    """Return the Events API's name of an identity type, however it is spelled; None if it is none of the 22."""
    place = _place_of(spelling)
    return None if place is None else place[0]


def _place_of(spelling: str) -> tuple[str, str | None] | None:
    """Return type and path of a member of `user_identities`, None if it is of no type."""
    # Long texts are not remembered: a sender could fill the memory.
    return _remembered_place(spelling) if len(spelling) <= _MAX_SPELLING_LENGTH else _find_place(spelling)


def _find_place(spelling: str) -> tuple[str, str | None] | None:
    name = _SPELLINGS.get(_squeezed(spelling.strip()))
    if name is None:
        return None
    return name, None if spelling == name else f"user_identities.{spelling[:_MAX_SPELLING_LENGTH]}"


_remembered_place: Final = lru_cache(maxsize=512)(_find_place)


# A raw value, not to leave the mapping unhashed; its encoding as Firehose names it: raw, md5, sha1 or sha256; and its
# path in the batch, or None if that is the object's member of the type's own name.
Identity = tuple[str, str, str | None]


def identities_by_type(
    user_identities: dict[str, object] | list[object] | None, texts: list[str]
) -> dict[str, Identity]:
    """Return the first value that is not empty of each identity type.

    All values are added to `texts`; of more than 100, these values and the first 100.
    """
    found: dict[str, Identity] = {}
    if isinstance(user_identities, dict):
        for spelling, value in user_identities.items():
            place = _place_of(spelling)
            if place is None:
                continue
            # The quick way for nearly every value.
            if type(value) is str and len(value) < _DIGEST_LENGTH and value.isascii() and value.isprintable():
                text = value.strip() or None
            else:
                text = _given(value)
            if text is not None:
                texts.append(text)
                name, path = place
                if name not in found:
                    found[name] = text, "raw", path
    elif user_identities:
        _add_listed(user_identities, found, texts)
    if len(texts) > _MAX_TEXTS:
        texts[_MAX_TEXTS:] = [text for text, _, _ in found.values()]
    return found


def _add_listed(entries: list[object], found: dict[str, Identity], texts: list[str]) -> None:
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(kind := entry.get("identity_type"), str):
            name = identity_type_of(kind)
            if name is not None and (text := _given(entry.get("identity"))) is not None:
                texts.append(text)
                encoding = (text_of(entry.get("encoding")) or "raw").lower()
                found.setdefault(name, (text, encoding, f"user_identities[{number}].identity"))


def _given(value: object) -> str | None:
    text = visible_text(value)
    return None if text is not None and len(text) == _DIGEST_LENGTH and text.lower() == EMPTY_DIGEST else text
