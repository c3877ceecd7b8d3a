"""The API's endpoints of the console's users, and of the links with which they set a password."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.access.users import Role, User
from tiktok_forwarder.api.endpoint import AnyCall, Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import ConsoleLink, RemovedView


class NewUserBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    role: Role = "viewer"


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


async def _list(call: PlainCall) -> list[User]:
    return call.services.console_access.users.all()


async def _add(call: Call[Nothing, NewUserBody]) -> ConsoleLink:
    given, base = call.body, call.services.console_base
    await call.services.console_access.users.add(given.name, given.role, call.who)
    return await _link(call, given.name, base)


async def _change(call: Call[Nothing, UserChange]) -> User:
    given = call.body
    return await call.services.console_access.users.set_role(call.path["name"], given.role, call.who)


async def _remove(call: PlainCall) -> RemovedView:
    user = await call.services.console_access.remove(call.path["name"], call.who)
    return RemovedView(user.id, user.name)


async def _new_link(call: PlainCall) -> ConsoleLink:
    return await _link(call, call.path["name"], call.services.console_base)


# The base is read first: it is refused where no console is known, and then nothing has changed.
async def _link(call: AnyCall, name: str, base: str) -> ConsoleLink:
    user, token = await call.services.console_access.link_for(name, call.who)
    return ConsoleLink(f"/welcome/{token}", base, user)


async def _first_link(call: Call[Nothing, Nothing]) -> ConsoleLink:
    base = call.services.console_base
    token = await call.services.console_access.first_link(call.who)
    return ConsoleLink(f"/welcome/{token}", base, None)


_USERS: Final = "/api/users"
_ONE: Final = "/api/users/{name}"

LIST_USERS: Final = Endpoint("GET", _USERS, "list_users", "List the console's users.", "admin", _list)
ADD_USER: Final = Endpoint(
    "POST",
    _USERS,
    "add_user",
    "Add a user of the console, and return a link to set the password.",
    "admin",
    _add,
    status=201,
    can_miss=True,
    can_refuse=True,
)
SET_USER: Final = Endpoint(
    "PATCH",
    _ONE,
    "set_user",
    "Change a user's role.",
    "admin",
    _change,
    can_miss=True,
    can_refuse=True,
)
REMOVE_USER: Final = Endpoint(
    "DELETE",
    _ONE,
    "remove_user",
    "Remove a user and end their sessions.",
    "admin",
    _remove,
    can_miss=True,
    can_refuse=True,
)
LINK_USER: Final = Endpoint(
    "POST",
    f"{_ONE}/link",
    "link_user",
    "Create a new link to set this user's password. Earlier links stop working.",
    "admin",
    _new_link,
    can_miss=True,
    can_refuse=True,
)
CONSOLE_LINK: Final = Endpoint(
    "POST",
    "/api/console-link",
    "console_link",
    "Create the link for the first administrator, if there is none.",
    "admin",
    _first_link,
    can_refuse=True,
)

USER_ENDPOINTS: Final = (
    LIST_USERS,
    ADD_USER,
    SET_USER,
    REMOVE_USER,
    LINK_USER,
    CONSOLE_LINK,
)
