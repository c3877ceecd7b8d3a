"""Phone numbers in E.164 form. libphonenumber is asked where a plain reading would go wrong: its tables load slowly."""

import re
from functools import cache
from typing import Final

# White space, the marks people write between digits, and the hyphens and dashes that word processors make of them.
_SEPARATORS: Final = re.compile("[\\s\\-./()\u2010-\u2015\u2212\ufe63\uff0d]+")
_PHONE: Final = re.compile(r"\+?[0-9]+", re.ASCII)
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_PLAIN_E164: Final = re.compile(r"\+(?:1[1-9][0-9]{9}|[2-9][1-9]{3}[0-9]{3,11})", re.ASCII)
_INTERNATIONAL_PREFIX: Final = "00"
_MAX_COUNTRY_CODE_LENGTH: Final = 3
_NORTH_AMERICA: Final = "+1"
_NORTH_AMERICAN_LENGTH: Final = 12

WITHOUT_COUNTRY_CODE: Final = "phone_without_country_code"
INVALID: Final = "invalid_phone"


def normal_phone(text: str, region: str | None, warnings: list[str]) -> str | None:
    """Return the number in E.164 form, with the plus; None, after adding a warning, if it is not usable.

    `region` is the country of numbers without a country code.
    """
    # The quick way for nearly every number: E.164, and no zero where `_needs_reading` looks for one.
    if _PLAIN_E164.fullmatch(text):
        return text
    phone = _SEPARATORS.sub("", text)
    if phone.startswith(_INTERNATIONAL_PREFIX):
        phone = f"+{phone[len(_INTERNATIONAL_PREFIX) :]}"
    if not _PHONE.fullmatch(phone):
        warnings.append(INVALID)
        return None
    if not phone.startswith("+") and region is None:
        warnings.append(WITHOUT_COUNTRY_CODE)
        return None
    if not phone.startswith("+") or _needs_reading(phone):
        phone = _read(phone, region) or ""
    if _E164.fullmatch(phone):
        return phone
    warnings.append(INVALID)
    return None


def phone_digits(text: str) -> str | None:
    """Return the digits of a text that holds only digits, separators and plus signs; None for any other."""
    phone = _SEPARATORS.sub("", text).replace("+", "")
    return phone if _PHONE.fullmatch(phone) else None


def _needs_reading(phone: str) -> bool:
    """Return whether a number with its country code may hold a trunk zero, or the code twice."""
    if phone.startswith(_NORTH_AMERICA):
        return len(phone) != _NORTH_AMERICAN_LENGTH or phone[2] == "0"
    if "0" not in phone[2 : _MAX_COUNTRY_CODE_LENGTH + 2]:
        return False
    for length in range(_MAX_COUNTRY_CODE_LENGTH, 0, -1):
        if phone[1 : length + 1] in _country_codes():
            return phone[length + 1 : length + 2] == "0"
    return False


@cache
def _country_codes() -> frozenset[str]:
    # Imported when first needed: the tables take 70 ms to load, and most phone numbers are E.164 already.
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE  # noqa: PLC0415

    return frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


def _read(phone: str, region: str | None) -> str | None:
    import phonenumbers  # noqa: PLC0415  # as above

    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
