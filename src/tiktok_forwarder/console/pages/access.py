"""The access page: users, API keys and the audit log."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.service import LIST_API_KEYS, LIST_AUDIT, MAKE_API_KEY, REVOKE_API_KEY
from tiktok_forwarder.api.types import AuditQuery, NewKeyBody
from tiktok_forwarder.api.users import ADD_USER, LINK_USER, LIST_USERS, REMOVE_USER, SET_USER, NewUserBody, UserChange
from tiktok_forwarder.console.api import ApiError, unchecked
from tiktok_forwarder.console.page import Page, PageRequest

_AUDITED: Final = 100
_ACTIONS: Final[Mapping[str, str]] = {
    "erase": "erased a person",
    "replay": "replayed dead letters",
    "discard": "discarded dead letters",
    "rotate_encryption_key": "changed the encryption key",
    "login": "logged in",
    "login_failed": "failed to log in",
    "login_refused": "was rate limited after failed logins",
    "set_password": "set a password",
    "console_link": "created a console link",
}
_SCOPES: Final[Mapping[str, str]] = {
    "read": "Read: view everything",
    "operate": "Operate: also pause, resume, check, replay and discard",
    "admin": "Admin: change everything",
    "metrics": "Metrics: read /metrics from another machine",
}


async def _access(request: PageRequest) -> Response:
    return await _page(request)


async def _page(request: PageRequest, status: int = 200, **values: Any) -> Response:
    """Show the page, with new secrets or problems, which are shown only once."""
    contents = {
        "users": await request.api.call(LIST_USERS),
        "keys": await request.api.call(LIST_API_KEYS),
        "audit": await request.api.call(LIST_AUDIT, query=AuditQuery(_AUDITED)),
        "actions": _ACTIONS,
        "scopes": _SCOPES,
        "user_problems": [],
        "key_problems": [],
        "link": None,
        "new_key": None,
        "form": request.form,
        **values,
    }
    return request.page("access/access.html", contents, status)


async def _add_user(request: PageRequest) -> Response:
    new = NewUserBody(request.form.text("name"), unchecked(request.form.text("role", "viewer")))
    try:
        link = await request.api.call(ADD_USER, body=new)
    except ApiError as error:
        return await _page(request, error.status, user_problems=error.problems)
    return await _page(request, link=link)


async def _link(request: PageRequest) -> Response:
    return await _page(request, link=await request.api.call(LINK_USER, request.path("user")))


async def _role(request: PageRequest) -> Response:
    try:
        change = UserChange(unchecked(request.form.text("role")))
        user = await request.api.call(SET_USER, request.path("user"), body=change)
    except ApiError as error:
        return await _page(request, error.status, user_problems=error.problems)
    role = "an administrator" if user.role == "admin" else "a viewer"
    return request.go("/access", f"{user.name} is now {role}.")


async def _ask_removal(request: PageRequest) -> Response:
    users = await request.api.call(LIST_USERS)
    user = next((each for each in users if each.id == request.path("user")), None)
    if user is None:
        raise ApiError(404, [f"no user has the ID {request.path('user')}"])
    return request.page("access/remove_user.html", {"user": user})


async def _remove(request: PageRequest) -> Response:
    try:
        removed = await request.api.call(REMOVE_USER, request.path("user"))
    except ApiError as error:
        return await _page(request, error.status, user_problems=error.problems)
    return request.go("/access", f"{removed.name} is removed and logged out.")


async def _make_key(request: PageRequest) -> Response:
    new = NewKeyBody(request.form.text("key_name"), unchecked(request.form.text("scope", "read")))
    try:
        key = await request.api.call(MAKE_API_KEY, body=new)
    except ApiError as error:
        return await _page(request, error.status, key_problems=error.problems)
    return await _page(request, new_key=key)


async def _revoke_key(request: PageRequest) -> Response:
    revoked = await request.api.call(REVOKE_API_KEY, request.path("key"))
    return request.go("/access", f"The API key {revoked.name} is revoked.")


ACCESS_PAGES: Final = (
    Page("GET", "/access", "admin", _access),
    Page("POST", "/access/users", "admin", _add_user),
    Page("POST", "/access/users/{user}/link", "admin", _link),
    Page("POST", "/access/users/{user}/role", "admin", _role),
    Page("GET", "/access/users/{user}/remove", "admin", _ask_removal),
    Page("POST", "/access/users/{user}/remove", "admin", _remove),
    Page("POST", "/access/keys", "admin", _make_key),
    Page("POST", "/access/keys/{key}/revoke", "admin", _revoke_key),
)
