"""The API's endpoints of inputs."""

from collections import Counter
from typing import Final

from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import (
    ImportQuery,
    ImportReceipt,
    InputView,
    NewInputBody,
    RemovedView,
    RotateBody,
)
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.inputs.inputs import Input, NewInput


def _view(found: Input) -> InputView:
    rotating = len(found.secret_digests) > 1
    return InputView(
        found.id, found.revision, found.name, found.key, f"/webhook/{found.name}", rotating, found.unreadable
    )


async def _list(call: PlainCall) -> list[InputView]:
    return [_view(each) for each in call.services.inputs.all()]


async def _add(call: Call[Nothing, NewInputBody]) -> NewInput:
    given = call.body
    return await call.services.inputs.add(
        given.name, key=given.key, secret=given.secret, authorization=given.authorization, changed_by=call.who
    )


async def _rotate(call: Call[Nothing, RotateBody]) -> NewInput:
    given = call.body
    return await call.services.inputs.rotate(
        call.path["name"], secret=given.secret, authorization=given.authorization, changed_by=call.who
    )


async def _retire(call: PlainCall) -> InputView:
    return _view(await call.services.inputs.retire(call.path["name"], call.who))


async def _remove(call: PlainCall) -> RemovedView:
    removed = await call.services.inputs.remove(call.path["name"], call.who)
    return RemovedView(removed.id, removed.name)


async def _import(call: Call[ImportQuery, bytes]) -> ImportReceipt:
    found = call.services.inputs.find_by_name(call.path["name"])
    if found is None:
        raise UnknownName(f'input "{call.path["name"]}" not found')
    only = _only(call, found.name)
    acceptance = await call.services.acceptor.accept(call.body, found, only)
    if acceptance is None:
        return ImportReceipt(0, 0, 0, 0)
    admissions = Counter(each.admission for admitted in acceptance.admitted.values() for each in admitted)
    dropped = len(acceptance.drops)
    return ImportReceipt(admissions["stored"], admissions["duplicate"], admissions[CONNECTION_FULL], dropped)


def _only(call: Call[ImportQuery, bytes], input_name: str) -> str | None:
    """Return the ID of the connection named in the query, which the input must feed, or None."""
    query = call.query
    if query.connection is None:
        return None
    connection = call.services.connections.find(query.connection)
    if connection is None:
        raise UnknownName(f'connection "{query.connection}" not found')
    if connection.id not in [each.connection.id for each in call.services.connections.mappers_of(input_name)]:
        raise ConfigurationError([f'inputs: connection "{connection.name}" does not use input "{input_name}"'])
    return connection.id


_INPUTS: Final = "/api/inputs"
_ONE: Final = "/api/inputs/{name}"

LIST_INPUTS: Final = Endpoint(
    "GET",
    _INPUTS,
    "list_inputs",
    "List the inputs without their secrets.",
    "read",
    _list,
)
ADD_INPUT: Final = Endpoint(
    "POST",
    _INPUTS,
    "add_input",
    "Add an input. Its secrets are not shown again.",
    "admin",
    _add,
    status=201,
    can_refuse=True,
)
ROTATE_INPUT: Final = Endpoint(
    "POST",
    f"{_ONE}/rotate",
    "rotate_input",
    "Rotate secrets: create new ones. The old ones stay valid until they are retired.",
    "admin",
    _rotate,
    can_miss=True,
    can_refuse=True,
)
RETIRE_SECRETS: Final = Endpoint(
    "POST",
    f"{_ONE}/retire",
    "retire_secrets",
    "Retire old secrets: only the newest ones stay valid.",
    "admin",
    _retire,
    can_miss=True,
    can_refuse=True,
)
IMPORT_BATCHES: Final = Endpoint(
    "POST",
    f"{_ONE}/import",
    "import_batches",
    "Import recorded batches as if this input's sender sent them now.",
    "admin",
    _import,
    can_miss=True,
    can_refuse=True,
)
REMOVE_INPUT: Final = Endpoint(
    "DELETE",
    _ONE,
    "remove_input",
    "Remove an input. Its senders are refused from now on.",
    "admin",
    _remove,
    can_miss=True,
)

INPUT_ENDPOINTS: Final = (
    LIST_INPUTS,
    ADD_INPUT,
    ROTATE_INPUT,
    RETIRE_SECRETS,
    IMPORT_BATCHES,
    REMOVE_INPUT,
)
