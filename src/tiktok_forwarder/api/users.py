"""The API's endpoints of the console's users, and of the links that let them in."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.access.users import Role, User
from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing
from tiktok_forwarder.api.types import RemovedView


class NewUserBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role = "viewer"


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class ConsoleLink(Struct, frozen=True):
    """A page that sets a password, once. `base` is the console's address; `user` is None for the first administrator.

    The link of an invitation holds for a day, the first for half an hour, neither over a restart.
    """

    path: str
    base: str
    user: User | None


async def _list(call: Call) -> list[User]:
    users: list[User] = call.parts.console_access.users.all()
    return users


async def _add(call: Call) -> ConsoleLink:
    given: NewUserBody = call.body
    await call.parts.console_access.users.add(given.name, given.role, call.who)
    return await _link(call, given.name)


async def _change(call: Call) -> User:
    given: UserChange = call.body
    user: User = await call.parts.console_access.users.set_role(call.path["name"], given.role, call.who)
    return user


async def _remove(call: Call) -> RemovedView:
    user: User = await call.parts.console_access.remove(call.path["name"], call.who)
    return RemovedView(user.id, user.name)


async def _new_link(call: Call) -> ConsoleLink:
    return await _link(call, call.path["name"])


async def _link(call: Call, name: str) -> ConsoleLink:
    user, token = await call.parts.console_access.link_for(name, call.who)
    return ConsoleLink(f"/welcome/{token}", call.parts.console_base, user)


async def _first_link(call: Call) -> ConsoleLink:
    token = await call.parts.console_access.first_link(call.who)
    return ConsoleLink(f"/welcome/{token}", call.parts.console_base, None)


_USERS: Final = "/api/users"
_ONE: Final = "/api/users/{name}"

USER_ENDPOINTS: Final = (
    Endpoint("GET", _USERS, "list_users", "The console's users.", "admin", list[User], _list),
    Endpoint(
        "POST",
        _USERS,
        "add_user",
        "Add a user of the console, with the link that sets the password.",
        "admin",
        ConsoleLink,
        _add,
        body=NewUserBody,
        status=201,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "PATCH",
        _ONE,
        "set_user",
        "Change a user's role.",
        "admin",
        User,
        _change,
        body=UserChange,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        "remove_user",
        "Remove a user and end their sessions.",
        "admin",
        RemovedView,
        _remove,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/link",
        "link_user",
        "A new link with which this user sets a password; older ones are void.",
        "admin",
        ConsoleLink,
        _new_link,
        can_miss=True,
    ),
    Endpoint(
        "POST",
        "/api/console-link",
        "console_link",
        "The link that makes the first administrator, while there is none.",
        "admin",
        ConsoleLink,
        _first_link,
        body=Nothing,
        can_refuse=True,
    ),
)
