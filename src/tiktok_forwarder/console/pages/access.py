"""Who may come in: users, API keys, and the audit of what they did."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.console.api import ApiRefused, part
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
        "users": await visit.api.get("/api/users"),
        "keys": await visit.api.get("/api/keys"),
        "audit": await visit.api.get("/api/audit", limit=_AUDITED),
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
    body = {"name": visit.form.text("name"), "role": visit.form.text("role", "viewer")}
    try:
        link = await visit.api.post("/api/users", body)
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    return await _page(visit, link=link)


async def _link(visit: Visit) -> Response:
    return await _page(visit, link=await visit.api.post(f"{_api(visit)}/link"))


async def _role(visit: Visit) -> Response:
    try:
        user = await visit.api.patch(_api(visit), {"role": visit.form.text("role")})
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    role = "an administrator" if user["role"] == "admin" else "a viewer"
    return visit.go("/access", f"{user['name']} is {role} now.")


async def _ask_removal(visit: Visit) -> Response:
    users = await visit.api.get("/api/users")
    user = next((each for each in users if each["id"] == visit.path("user")), None)
    if user is None:
        raise ApiRefused(404, [f"there is no user {visit.path('user')}"])
    return visit.page("access/remove_user.html", {"user": user})


async def _remove(visit: Visit) -> Response:
    try:
        removed = await visit.api.delete(_api(visit))
    except ApiRefused as refused:
        return await _page(visit, refused.status, user_problems=refused.problems)
    return visit.go("/access", f"{removed['name']} is removed and logged out.")


def _api(visit: Visit) -> str:
    return f"/api/users/{part(visit.path('user'))}"


async def _make_key(visit: Visit) -> Response:
    body = {"name": visit.form.text("key_name"), "scope": visit.form.text("scope", "read")}
    try:
        key = await visit.api.post("/api/keys", body)
    except ApiRefused as refused:
        return await _page(visit, refused.status, key_problems=refused.problems)
    return await _page(visit, new_key=key)


async def _revoke_key(visit: Visit) -> Response:
    revoked = await visit.api.delete(f"/api/keys/{part(visit.path('key'))}")
    return visit.go("/access", f"The API key {revoked['name']} is revoked.")


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
