"""Who may come in: users, API keys, and the audit of what they did."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.service import LIST_API_KEYS, LIST_AUDIT, MAKE_API_KEY, REVOKE_API_KEY
from tiktok_forwarder.api.types import AuditQuery, NewKeyBody
from tiktok_forwarder.api.users import ADD_USER, LINK_USER, LIST_USERS, REMOVE_USER, SET_USER, NewUserBody, UserChange
from tiktok_forwarder.console.api import ApiRefused, unchecked
from tiktok_forwarder.console.page import Page, Visit

_AUDITED: Final = 100
_ACTIONS: Final[Mapping[str, str]] = {
    "erase": "erased a person",
    "replay": "replayed dead letters",
    "discard": "discarded dead letters",
    "rotate_encryption_key": "changed the encryption key",
    "login": "logged in",
    "login_failed": "failed to log in",
    "login_refused": "was told to wait after failed logins",
    "set_password": "set a password",
    "console_link": "made a link into the console",
}
_SCOPES: Final[Mapping[str, str]] = {
    "read": "look at everything",
    "operate": "also pause, resume, check, replay and discard",
    "admin": "change everything",
}


async def _access(visit: Visit) -> Response:
    return await _page(visit)


async def _page(visit: Visit, status: int = 200, **values: Any) -> Response:
    """With what was refused or made, which is shown this once."""
    told = {
        "users": await visit.api.call(LIST_USERS),
        "keys": await visit.api.call(LIST_API_KEYS),
        "audit": await visit.api.call(LIST_AUDIT, query=AuditQuery(_AUDITED)),
        "actions": _ACTIONS,
        "scopes": _SCOPES,
        "user_problems": [],
        "key_problems": [],
        "link": None,
        "new_key": None,
        "form": visit.form,
        **values,
    }
    return visit.page("access/access.html", told, status)


async def _add_user(visit: Visit) -> Response:
    new = NewUserBody(visit.form.text("name"), unchecked(visit.form.text("role", "viewer")))
    try:
        link = await visit.api.call(ADD_USER, body=new)
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    return await _page(visit, link=link)


async def _link(visit: Visit) -> Response:
    return await _page(visit, link=await visit.api.call(LINK_USER, visit.path("user")))


async def _role(visit: Visit) -> Response:
    try:
        change = UserChange(unchecked(visit.form.text("role")))
        user = await visit.api.call(SET_USER, visit.path("user"), body=change)
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    role = "an administrator" if user.role == "admin" else "a viewer"
    return visit.go("/access", f"{user.name} is {role} now.")


async def _ask_removal(visit: Visit) -> Response:
    users = await visit.api.call(LIST_USERS)
    user = next((each for each in users if each.id == visit.path("user")), None)
    if user is None:
        raise ApiRefused(404, [f"there is no user {visit.path('user')}"])
    return visit.page("access/remove_user.html", {"user": user})


async def _remove(visit: Visit) -> Response:
    try:
        removed = await visit.api.call(REMOVE_USER, visit.path("user"))
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    return visit.go("/access", f"{removed.name} is removed and logged out.")


async def _make_key(visit: Visit) -> Response:
    new = NewKeyBody(visit.form.text("key_name"), unchecked(visit.form.text("scope", "read")))
    try:
        key = await visit.api.call(MAKE_API_KEY, body=new)
    except ApiRefused as refused:
        return await _page(visit, refused.status, key_problems=refused.problems)
    return await _page(visit, new_key=key)


async def _revoke_key(visit: Visit) -> Response:
    revoked = await visit.api.call(REVOKE_API_KEY, visit.path("key"))
    return visit.go("/access", f"The API key {revoked.name} is revoked.")


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
