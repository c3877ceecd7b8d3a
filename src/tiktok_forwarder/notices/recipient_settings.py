"""The settings of a recipient of notices, as files, forms and programs give them, and their checks."""

import re
from typing import Final, Literal

from msgspec import Struct, structs

from tiktok_forwarder.notices.addresses import is_host
from tiktok_forwarder.notices.email_sending import SmtpSecurity
from tiktok_forwarder.notices.https_post import MAX_URL_LENGTH, read_url
from tiktok_forwarder.notices.incidents import INCIDENT_KINDS, IncidentKind

RecipientKind = Literal["webhook", "slack", "email"]
"""How a recipient is reached: a signed webhook, a webhook that understands Slack's messages, or email."""

DEFAULT_SMTP_PORTS: Final[dict[SmtpSecurity, int]] = {"starttls": 587, "tls": 465, "none": 25}
MAX_TO_ADDRESSES: Final = 10
_MAX_NAME_LENGTH: Final = 63
_MAX_SECRET_LENGTH: Final = 500
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


class RecipientSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A recipient's settings. `url` and `smtp_password` are secrets: null keeps the stored ones.

    `incidents` are the kinds that the recipient gets notices of. A webhook and Slack have a `url`, the other members
    are an email's. Without `smtp_port`, it is the usual one of `smtp_security`.
    """

    name: str
    kind: RecipientKind
    incidents: tuple[IncidentKind, ...] = INCIDENT_KINDS
    url: str | None = None
    to_addresses: tuple[str, ...] = ()
    from_address: str | None = None
    smtp_host: str | None = None
    smtp_port: int | None = None
    smtp_security: SmtpSecurity = "starttls"
    smtp_username: str | None = None
    smtp_password: str | None = None

    @property
    def secrets(self) -> dict[str, str]:
        """Return the secrets that are given, by their names."""
        given = {"url": self.url, "smtp_password": self.smtp_password}
        return {name: value for name, value in given.items() if value is not None}

    def without_secrets(self) -> "RecipientSettings":
        return structs.replace(self, url=None, smtp_password=None)


def normalized(given: RecipientSettings) -> RecipientSettings:
    """Return the settings without blanks around texts and without repeats; empty texts count as not given."""
    return structs.replace(
        given,
        name=given.name.strip(),
        incidents=tuple(kind for kind in INCIDENT_KINDS if kind in given.incidents),
        url=_stripped(given.url),
        to_addresses=tuple(dict.fromkeys(filter(None, map(str.strip, given.to_addresses)))),
        from_address=_stripped(given.from_address),
        smtp_host=_stripped(given.smtp_host),
        smtp_username=given.smtp_username or None,
        smtp_password=given.smtp_password or None,
    )


def _stripped(text: str | None) -> str | None:
    return (text or "").strip() or None


def problems_of(given: RecipientSettings) -> list[str]:
    """Return what is wrong with normalized settings, whatever is stored."""
    problems: list[str] = []
    if not given.name or len(given.name) > _MAX_NAME_LENGTH or not given.name.isprintable():
        problems.append(f"name: must be 1 to {_MAX_NAME_LENGTH} printable characters")
    if not given.incidents:
        problems.append("incidents: must be at least one kind")
    return problems + (_email_problems(given) if given.kind == "email" else _url_problems(given))


def _url_problems(given: RecipientSettings) -> list[str]:
    problems = [
        f"{field}: only a recipient of the kind email has one"
        for field in ("to_addresses", "from_address", "smtp_host", "smtp_port", "smtp_username", "smtp_password")
        if getattr(given, field) not in (None, ())
    ]
    if given.url is not None and read_url(given.url) is None:
        # The path of the URL is not quoted: it may be a secret.
        problems.append(
            f"url: must be https:// and a host, of at most {MAX_URL_LENGTH:,} ASCII characters, without user name, "
            "blanks and fragment"
        )
    return problems


def _email_problems(given: RecipientSettings) -> list[str]:
    problems: list[str] = ["url: a recipient of the kind email has none"] if given.url is not None else []
    if not given.to_addresses or len(given.to_addresses) > MAX_TO_ADDRESSES:
        problems.append(f"to_addresses: must be 1 to {MAX_TO_ADDRESSES} email addresses")
    if any(not _ADDRESS.fullmatch(address) for address in given.to_addresses):
        problems.append("to_addresses: must be email addresses such as ops@example.com")
    if given.from_address is None or not _ADDRESS.fullmatch(given.from_address):
        problems.append("from_address: must be an email address such as forwarder@example.com")
    if given.smtp_host is None or not is_host(given.smtp_host):
        problems.append("smtp_host: must be the name or address of an SMTP server, such as smtp.example.com")
    if given.smtp_port is not None and not 1 <= given.smtp_port <= 65_535:
        problems.append("smtp_port: must be a number from 1 to 65,535")
    for field in ("smtp_username", "smtp_password"):
        value = getattr(given, field)
        if value is not None and (len(value) > _MAX_SECRET_LENGTH or not value.isprintable()):
            problems.append(f"{field}: must be at most {_MAX_SECRET_LENGTH} printable characters")
    if given.smtp_password is not None and given.smtp_username is None:
        problems.append("smtp_username: is missing; the password belongs to one")
    if given.smtp_password is not None and given.smtp_security == "none":
        problems.append("smtp_security: must be starttls or tls with a password, which would be sent unencrypted")
    return problems
