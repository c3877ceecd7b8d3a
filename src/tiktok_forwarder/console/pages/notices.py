"""The notices: open incidents, recipients, and what was sent lately."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.notices import (
    ADD_RECIPIENT,
    CHANGE_RECIPIENT,
    LIST_INCIDENTS,
    LIST_NOTICES,
    LIST_RECIPIENTS,
    REMOVE_RECIPIENT,
    ROTATE_RECIPIENT,
    TEST_RECIPIENT,
    NoticesQuery,
    NoticeView,
    RecipientAdded,
    RecipientChange,
    RecipientView,
)
from tiktok_forwarder.console.api import ApiError, unchecked
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.notices.incidents import LABELS
from tiktok_forwarder.notices.recipient_settings import RecipientSettings

_SHOWN: Final = 50
_REFUSED: Final = 422
_FIELD_LABELS: Final[Mapping[str, str]] = {
    "url": "URL",
    "to_addresses": "To",
    "from_address": "From",
    "smtp_host": "SMTP server",
    "smtp_port": "Port",
    "smtp_security": "Encryption",
    "smtp_username": "User name",
    "smtp_password": "Password",
}
_KINDS: Final[Mapping[str, str]] = {"webhook": "Webhook", "slack": "Slack", "email": "Email"}


async def _list(request: PageRequest) -> Response:
    return await _list_page(request)


async def _list_page(
    request: PageRequest, problems: Sequence[str] = (), made: RecipientAdded | None = None
) -> Response:
    """Show the page; `made` has a signing secret that was created just now."""
    values = {
        "incidents": await request.api.call(LIST_INCIDENTS),
        "recipients": await request.api.call(LIST_RECIPIENTS),
        "notices": await request.api.call(LIST_NOTICES, query=NoticesQuery(_SHOWN)),
        "kinds": _KINDS,
        "incident_labels": LABELS,
        "typed": request.form if made is None else Form(),
        "problems": _labeled(problems),
        "made": made,
    }
    return request.page("notices/list.html", values, _REFUSED if problems else 200)


async def _add(request: PageRequest) -> Response:
    try:
        made = await request.api.call(ADD_RECIPIENT, body=_settings_in(request.form))
    except ApiError as error:
        return await _list_page(request, error.problems)
    if made.signing_secret is not None:
        return await _list_page(request, made=made)
    return request.go("/notices", f"{made.recipient.name} is added. Send a test to it.")


async def _found(request: PageRequest) -> RecipientView:
    """Return the recipient of the path. Raises `HTTPException` if there is none."""
    recipients = await request.api.call(LIST_RECIPIENTS)
    found = next((each for each in recipients if each.id == request.path("recipient")), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _edit(request: PageRequest) -> Response:
    found = await _found(request)
    return _edit_page(request, found, _form_of(found))


def _edit_page(request: PageRequest, found: RecipientView, typed: Form, problems: Sequence[str] = ()) -> Response:
    values: dict[str, Any] = {
        "recipient": found,
        "kinds": _KINDS,
        "incident_labels": LABELS,
        "typed": typed,
        "problems": _labeled(problems),
    }
    return request.page("notices/edit.html", values, _REFUSED if problems else 200)


async def _change(request: PageRequest) -> Response:
    found = await _found(request)
    revision = request.form.text("revision")
    change = RecipientChange(_settings_in(request.form), int(revision) if revision.isdecimal() else None)
    try:
        changed = await request.api.call(CHANGE_RECIPIENT, found.id, body=change)
    except ApiError as error:
        return _edit_page(request, found, request.form, error.problems)
    return request.go("/notices", f"{changed.name} is saved.")


async def _test(request: PageRequest) -> Response:
    outcome = await request.api.call(TEST_RECIPIENT, request.path("recipient"))
    return request.go("/notices", _test_message(outcome))


def _test_message(outcome: NoticeView) -> str:
    if outcome.state == "sent":
        return f"The test to {outcome.recipient} was sent." + (f" But {outcome.reason}." if outcome.reason else "")
    if outcome.state == "failed":
        return f"The test to {outcome.recipient} was not sent: {outcome.reason}."
    return f"The test to {outcome.recipient} was not sent yet. Its state is shown below."


async def _rotate(request: PageRequest) -> Response:
    try:
        made = await request.api.call(ROTATE_RECIPIENT, request.path("recipient"))
    except ApiError as error:
        if error.is_missing:
            raise
        return await _list_page(request, error.problems)
    return await _list_page(request, made=made)


async def _ask_remove(request: PageRequest) -> Response:
    return request.page("notices/remove.html", {"recipient": await _found(request)})


async def _remove(request: PageRequest) -> Response:
    removed = await request.api.call(REMOVE_RECIPIENT, request.path("recipient"))
    return request.go("/notices", f"{removed.name} is removed and gets no more notices.")


def _labeled(problems: Sequence[str]) -> list[str]:
    """Return the problems with the labels of the form in place of the settings' names."""
    parts = [problem.partition(": ") for problem in problems]
    return [f"{_FIELD_LABELS.get(field, field)}{colon}{message}" for field, colon, message in parts]


def _settings_in(form: Form) -> RecipientSettings:
    """Return the settings in a form; fields of other kinds are hidden, and do not count."""
    kind = form.text("kind", "webhook")
    is_email = kind == "email"
    port = form.text("smtp_port")
    return RecipientSettings(
        name=form.text("name"),
        kind=unchecked(kind),
        incidents=_unchecked_all(form.texts("incident")),
        url=None if is_email else form.text("url") or None,
        to_addresses=tuple(form.text("to_addresses").replace(",", " ").split()) if is_email else (),
        from_address=(form.text("from_address") or None) if is_email else None,
        smtp_host=(form.text("smtp_host") or None) if is_email else None,
        smtp_port=(int(port) if port.isdecimal() and len(port) < 7 else 0) if is_email and port else None,
        smtp_security=unchecked(form.text("smtp_security", "starttls")) if is_email else "starttls",
        smtp_username=(form.text("smtp_username") or None) if is_email else None,
        smtp_password=(form.secret("smtp_password") or None) if is_email else None,
    )


def _unchecked_all(texts: Sequence[str]) -> Any:
    """Pass texts from a form to the API unchecked: the API validates them."""
    return tuple(texts)


def _form_of(found: RecipientView) -> Form:
    """Return the recipient's settings as a form would send them. Secrets are never shown again."""
    fields = [
        ("name", found.name),
        ("kind", found.kind),
        ("to_addresses", "\n".join(found.to_addresses)),
        ("from_address", found.from_address or ""),
        ("smtp_host", found.smtp_host or ""),
        ("smtp_port", str(found.smtp_port or "")),
        ("smtp_security", found.smtp_security or "starttls"),
        ("smtp_username", found.smtp_username or ""),
    ]
    return Form([*fields, *(("incident", kind) for kind in found.incidents)])


_ONE: Final = "/notices/recipients/{recipient}"

NOTICES_PAGES: Final = (
    Page("GET", "/notices", "viewer", _list),
    Page("POST", "/notices/recipients", "admin", _add),
    Page("GET", _ONE, "admin", _edit),
    Page("POST", _ONE, "admin", _change),
    Page("POST", f"{_ONE}/test", "admin", _test),
    Page("POST", f"{_ONE}/rotate", "admin", _rotate),
    Page("GET", f"{_ONE}/remove", "admin", _ask_remove),
    Page("POST", f"{_ONE}/remove", "admin", _remove),
)
