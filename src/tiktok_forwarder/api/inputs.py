"""The API's endpoints of inputs."""

from collections import Counter
from typing import Final

from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.api.types import (
    ImportQuery,
    ImportReceipt,
    InputView,
    NewInputBody,
    RemovedView,
    RotateBody,
)
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.inputs.inputs import Input, NewInput
from tiktok_forwarder.intake.accept import Acceptance


def _view(found: Input) -> InputView:
    rotating = len(found.secret_digests) > 1
    return InputView(
        found.id, found.revision, found.name, found.key, f"/webhook/{found.name}", rotating, found.unreadable
    )


async def _list(call: Call) -> list[InputView]:
    return [_view(each) for each in call.parts.inputs.all()]


async def _add(call: Call) -> NewInput:
    given: NewInputBody = call.body
    new: NewInput = await call.parts.inputs.add(
        given.name, key=given.key, secret=given.secret, authorization=given.authorization, changed_by=call.who
    )
    return new


async def _rotate(call: Call) -> NewInput:
    given: RotateBody = call.body
    new: NewInput = await call.parts.inputs.rotate(
        call.path["name"], secret=given.secret, authorization=given.authorization, changed_by=call.who
    )
    return new


async def _retire(call: Call) -> InputView:
    return _view(await call.parts.inputs.retire(call.path["name"], call.who))


async def _remove(call: Call) -> RemovedView:
    removed = await call.parts.inputs.remove(call.path["name"], call.who)
    return RemovedView(removed.id, removed.name)


async def _import(call: Call) -> ImportReceipt:
    found = call.parts.inputs.named(call.path["name"])
    if found is None:
        raise UnknownName(f"there is no input named {call.path['name']}")
    only = _only(call, found.name)
    acceptance: Acceptance | None = await call.parts.acceptor.accept(call.body, found.name, only)
    if acceptance is None:
        return ImportReceipt(0, 0, 0, 0)
    admissions = Counter(acceptance.admissions)
    dropped = len(acceptance.drops)
    return ImportReceipt(admissions["stored"], admissions["duplicate"], admissions["connection_full"], dropped)


def _only(call: Call, input_name: str) -> str | None:
    """The id of the connection named in the query, which the input must feed."""
    query: ImportQuery = call.query
    if query.connection is None:
        return None
    connection = call.parts.connections.find(query.connection)
    if connection is None:
        raise UnknownName(f"there is no connection named {query.connection}")
    if connection.id not in [each.connection.id for each in call.parts.connections.mappers_of(input_name)]:
        raise ConfigurationError([f"inputs: {connection.name} is not fed by {input_name}"])
    return str(connection.id)


_INPUTS: Final = "/api/inputs"
_ONE: Final = "/api/inputs/{name}"

INPUT_ENDPOINTS: Final = (
    Endpoint("GET", _INPUTS, "list_inputs", "The inputs, without their secrets.", "read", list[InputView], _list),
    Endpoint(
        "POST",
        _INPUTS,
        "add_input",
        "Add an input; its secrets are shown this once.",
        "admin",
        NewInput,
        _add,
        body=NewInputBody,
        status=201,
        can_refuse=True,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/rotate",
        "rotate_input",
        "New secrets beside the old ones, which stay valid until they are retired.",
        "admin",
        NewInput,
        _rotate,
        body=RotateBody,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/retire",
        "retire_secrets",
        "Only the newest secrets stay valid.",
        "admin",
        InputView,
        _retire,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/import",
        "import_batches",
        "Take recorded batches as if this input's sender sent them now.",
        "admin",
        ImportReceipt,
        _import,
        query=ImportQuery,
        can_miss=True,
        can_refuse=True,
        takes_batches=True,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        "remove_input",
        "Refuse its senders from now on.",
        "admin",
        RemovedView,
        _remove,
        can_miss=True,
    ),
)
