"""The API's endpoints of notices: recipients, open incidents, and what was sent lately."""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import Number, RemovedView
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.notices.email_sending import SmtpSecurity
from tiktok_forwarder.notices.incidents import LABELS, IncidentKind
from tiktok_forwarder.notices.messages import NoticeType
from tiktok_forwarder.notices.notices import RecentNotice
from tiktok_forwarder.notices.recipient_settings import RecipientKind, RecipientSettings
from tiktok_forwarder.notices.recipients import Recipient, RecipientDifference
from tiktok_forwarder.store.notices import NoticeState

_MAX_IMPORTED: Final = 50


class RecipientView(Struct, frozen=True):
    """A recipient without its secrets. `url_origin` is the part of its URL that is not secret.

    `incidents` are the kinds that it gets notices of. A webhook and Slack have a URL, the other members are an email's.
    """

    id: str
    revision: int
    name: str
    kind: RecipientKind
    incidents: list[IncidentKind]
    url_origin: str | None
    to_addresses: list[str]
    from_address: str | None
    smtp_host: str | None
    smtp_port: int | None
    smtp_security: SmtpSecurity | None
    smtp_username: str | None


class RecipientAdded(Struct, frozen=True):
    """A new recipient, or one with a new signing secret, which is a webhook's and is not shown again."""

    recipient: RecipientView
    signing_secret: str | None = None


class RecipientChange(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a recipient; secrets that are null stay. If a revision is given, it must be the stored one."""

    settings: RecipientSettings
    expected_revision: Number | None = None


class RecipientImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Recipients to add or change, by name. A dry run changes nothing."""

    recipients: list[RecipientSettings]
    dry_run: bool = False


class IncidentView(Struct, frozen=True):
    """An open incident. `subject` is the ID of a connection or input, or a problem of the store."""

    kind: IncidentKind
    label: str
    subject: str
    name: str
    opened_at_ms: int
    facts: dict[str, Any]


class NoticesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class NoticeView(Struct, frozen=True):
    """A message to one recipient. `recipient` is its name, or its ID if it was removed.

    `reason` is why the last attempt failed, `due_ms` the time of the next one while the notice is waiting.
    """

    id: str
    recipient: str
    type: NoticeType
    kind: IncidentKind | None
    title: str
    text: str
    path: str
    created_at_ms: int
    state: NoticeState
    attempts: int
    reason: str
    due_ms: int | None
    settled_at_ms: int | None


def _view(found: Recipient) -> RecipientView:
    settings = found.settings
    is_email = settings.kind == "email"
    return RecipientView(
        found.id,
        found.revision,
        settings.name,
        settings.kind,
        list(settings.incidents),
        None if is_email else found.record.origin,
        list(settings.to_addresses),
        settings.from_address,
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security if is_email else None,
        settings.smtp_username,
    )


async def _list(call: PlainCall) -> list[RecipientView]:
    return [_view(each) for each in call.services.notices.recipients.all()]


async def _add(call: Call[Nothing, RecipientSettings]) -> RecipientAdded:
    added, signing_secret = await call.services.notices.recipients.add(call.body, call.who)
    return RecipientAdded(_view(added), signing_secret)


async def _change(call: Call[Nothing, RecipientChange]) -> RecipientView:
    given = call.body
    changed = await call.services.notices.recipients.set(
        call.path["name"], given.settings, expected_revision=given.expected_revision, changed_by=call.who
    )
    return _view(changed)


async def _rotate(call: PlainCall) -> RecipientAdded:
    rotated, signing_secret = await call.services.notices.recipients.rotate(call.path["name"], call.who)
    return RecipientAdded(_view(rotated), signing_secret)


async def _remove(call: PlainCall) -> RemovedView:
    removed = await call.services.notices.recipients.remove(call.path["name"], call.who)
    return RemovedView(removed.id, removed.name)


async def _import(call: Call[Nothing, RecipientImportBody]) -> list[RecipientDifference]:
    given = call.body
    if len(given.recipients) > _MAX_IMPORTED:
        raise ConfigurationError([f"at most {_MAX_IMPORTED} recipients are imported at a time"])
    return await call.services.notices.recipients.import_all(
        given.recipients, dry_run=given.dry_run, changed_by=call.who
    )


async def _test(call: PlainCall) -> NoticeView:
    return _notice_view(call, await call.services.notices.test(call.path["name"]))


async def _incidents(call: PlainCall) -> list[IncidentView]:
    return [
        IncidentView(
            each.finding.kind,
            LABELS[each.finding.kind],
            each.finding.subject,
            each.finding.name,
            each.opened_at_ms,
            each.finding.facts,
        )
        for each in await call.services.notices.incidents()
    ]


async def _notices(call: Call[NoticesQuery, None]) -> list[NoticeView]:
    return [_notice_view(call, each) for each in await call.services.notices.recent(call.query.limit)]


def _notice_view(call: Call[Any, Any], notice: RecentNotice) -> NoticeView:
    stored, contents = notice.stored, notice.contents
    recipient = call.services.notices.recipients.get(stored.recipient_id)
    return NoticeView(
        stored.id,
        recipient.name if recipient is not None else stored.recipient_id,
        contents.type,
        contents.kind,
        contents.title,
        contents.text,
        contents.path,
        stored.created_at_ms,
        stored.state,
        stored.attempts,
        stored.reason,
        stored.due_ms if stored.state == "waiting" else None,
        stored.settled_at_ms,
    )


_RECIPIENTS: Final = "/api/notices/recipients"
_ONE: Final = f"{_RECIPIENTS}/{{name}}"

LIST_RECIPIENTS: Final = Endpoint(
    "GET",
    _RECIPIENTS,
    "list_recipients",
    "List the recipients of notices without their secrets.",
    "read",
    _list,
)
ADD_RECIPIENT: Final = Endpoint(
    "POST",
    _RECIPIENTS,
    "add_recipient",
    "Add a recipient of notices. The signing secret of a webhook is not shown again.",
    "admin",
    _add,
    status=201,
    can_refuse=True,
)
IMPORT_RECIPIENTS: Final = Endpoint(
    "POST",
    f"{_RECIPIENTS}/import",
    "import_recipients",
    "Add or change recipients, matched by name: all of them or none. Secrets that are not given stay.",
    "admin",
    _import,
    can_refuse=True,
)
CHANGE_RECIPIENT: Final = Endpoint(
    "PATCH",
    _ONE,
    "change_recipient",
    "Replace a recipient's settings. Secrets that are not given stay.",
    "admin",
    _change,
    can_miss=True,
    can_refuse=True,
)
ROTATE_RECIPIENT: Final = Endpoint(
    "POST",
    f"{_ONE}/rotate",
    "rotate_recipient",
    "Give a webhook a new signing secret. For a day, notices are signed with the old one too.",
    "admin",
    _rotate,
    can_miss=True,
    can_refuse=True,
)
TEST_RECIPIENT: Final = Endpoint(
    "POST",
    f"{_ONE}/test",
    "test_recipient",
    "Send a test to a recipient once, and return the outcome; it is waiting if no node sends notices.",
    "operate",
    _test,
    can_miss=True,
)
REMOVE_RECIPIENT: Final = Endpoint(
    "DELETE",
    _ONE,
    "remove_recipient",
    "Remove a recipient. Its waiting notices are not sent.",
    "admin",
    _remove,
    can_miss=True,
)
LIST_INCIDENTS: Final = Endpoint(
    "GET",
    "/api/incidents",
    "list_incidents",
    "List the open incidents, oldest first.",
    "read",
    _incidents,
)
LIST_NOTICES: Final = Endpoint(
    "GET",
    "/api/notices",
    "list_notices",
    "List the notices of the last 24 hours, newest first.",
    "read",
    _notices,
)

NOTICE_ENDPOINTS: Final = (
    LIST_RECIPIENTS,
    ADD_RECIPIENT,
    IMPORT_RECIPIENTS,
    CHANGE_RECIPIENT,
    ROTATE_RECIPIENT,
    TEST_RECIPIENT,
    REMOVE_RECIPIENT,
    LIST_INCIDENTS,
    LIST_NOTICES,
)
