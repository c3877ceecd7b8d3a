"""The API's endpoints of inputs."""

from collections import Counter
from typing import Final

from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import (
    ImportQuery,
    ImportReceipt,
    InputChange,
    InputCredentials,
    InputImportBody,
    InputView,
    KafkaView,
    NewInputBody,
    RemovedView,
    RotateBody,
)
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED
from tiktok_forwarder.inputs.importing import import_inputs
from tiktok_forwarder.inputs.inputs import Input, NewInput
from tiktok_forwarder.inputs.kafka_inputs import add_kafka_input, change_kafka_input
from tiktok_forwarder.inputs.settings import InputDifference

_NO_ORIGINS: Final = "origins: only a browser input has some; its kind is browser"


def _view(found: Input) -> InputView:
    return InputView(
        found.id,
        found.revision,
        found.name,
        found.key,
        f"/webhook/{found.name}" if found.kind == "server" else None,
        found.is_rotating,
        found.unreadable,
        found.kind,
        list(found.origins),
        found.allows_purchases,
        found.old_key,
        _kafka_view(found),
    )


def _kafka_view(found: Input) -> KafkaView | None:
    kafka = found.kafka
    if kafka is None:
        return None
    return KafkaView(
        list(kafka.servers),
        list(kafka.topics),
        kafka.group,
        kafka.security,
        kafka.sasl_mechanism,
        kafka.user_name,
        found.sealed_password is not None,
        kafka.ca_certificate,
    )


def _credentials(made: NewInput | Input) -> InputCredentials:
    if isinstance(made, NewInput):
        return InputCredentials(made.id, made.name, made.key, made.secret, made.authorization)
    return InputCredentials(made.id, made.name, made.key)


def _check_without_secrets(given: NewInputBody | RotateBody) -> None:
    fields = [field for field in ("secret", "authorization") if getattr(given, field) is not None]
    if fields:
        raise ConfigurationError([f"{field}: a browser input has none: its key is public" for field in fields])


async def _add_kafka_input(call: Call[Nothing, NewInputBody]) -> InputCredentials:
    given = call.body
    fields = [field for field in ("key", "secret", "authorization") if getattr(given, field) is not None]
    problems = [f"{field}: a Kafka input has none" for field in fields]
    if given.origins:
        problems.append(_NO_ORIGINS)
    if problems:
        raise ConfigurationError(problems)
    added = await add_kafka_input(
        call.services.inputs,
        given.name,
        given.kafka,
        allows_purchases=given.allows_purchases,
        changed_by=call.who,
    )
    return _credentials(added)


async def _list(call: PlainCall) -> list[InputView]:
    return [_view(each) for each in call.services.inputs.all()]


async def _add(call: Call[Nothing, NewInputBody]) -> InputCredentials:
    given, inputs = call.body, call.services.inputs
    allows_purchases = given.allows_purchases
    if given.kind == "kafka":
        return await _add_kafka_input(call)
    if given.kafka is not None:
        raise ConfigurationError(["kafka: only a Kafka input has some; its kind is kafka"])
    if given.kind == "browser":
        _check_without_secrets(given)
        browser = await inputs.add_browser_input(
            given.name, key=given.key, origins=given.origins, allows_purchases=allows_purchases, changed_by=call.who
        )
        return _credentials(browser)
    if given.origins:
        raise ConfigurationError([_NO_ORIGINS])
    server = await inputs.add(
        given.name,
        key=given.key,
        secret=given.secret,
        authorization=given.authorization,
        allows_purchases=allows_purchases,
        changed_by=call.who,
    )
    return _credentials(server)


async def _change(call: Call[Nothing, InputChange]) -> InputView:
    given, name = call.body, call.path["name"]
    if given.kafka is not None:
        if given.origins is not None:
            raise ConfigurationError([_NO_ORIGINS])
        changed = await change_kafka_input(
            call.services.inputs,
            name,
            given.kafka,
            allows_purchases=given.allows_purchases,
            expected_revision=given.expected_revision,
            changed_by=call.who,
        )
        return _view(changed)
    changed = await call.services.inputs.change(
        name,
        origins=given.origins,
        allows_purchases=given.allows_purchases,
        expected_revision=given.expected_revision,
        changed_by=call.who,
    )
    return _view(changed)


async def _rotate(call: Call[Nothing, RotateBody]) -> InputCredentials:
    given, inputs, name = call.body, call.services.inputs, call.path["name"]
    found = inputs.find_by_name(name)
    if found is not None and found.kind == "browser":
        _check_without_secrets(given)
        return _credentials(await inputs.rotate_key(name, key=given.key, changed_by=call.who))
    if found is not None and given.key is not None:
        raise ConfigurationError(["key: a server's input keeps its key"])
    return _credentials(
        await inputs.rotate(name, secret=given.secret, authorization=given.authorization, changed_by=call.who)
    )


async def _import_inputs(call: Call[Nothing, InputImportBody]) -> list[InputDifference]:
    given = call.body
    return await import_inputs(call.services.inputs, given.inputs, dry_run=given.dry_run, changed_by=call.who)


async def _retire(call: PlainCall) -> InputView:
    return _view(await call.services.inputs.retire(call.path["name"], call.who))


async def _remove(call: PlainCall) -> RemovedView:
    removed = await call.services.inputs.remove(call.path["name"], call.who)
    return RemovedView(removed.id, removed.name)


async def _import(call: Call[ImportQuery, bytes]) -> ImportReceipt:
    found = call.services.inputs.get(call.path["name"])
    only = _only(call, found.name)
    acceptance = await call.services.acceptor.accept(call.body, found, only)
    if acceptance is None:
        return ImportReceipt(0, 0, 0, 0, 0)
    admissions = Counter(each.admission for admitted in acceptance.admitted.values() for each in admitted)
    dropped = len(acceptance.drops)
    return ImportReceipt(
        admissions["stored"], admissions["duplicate"], admissions[CONNECTION_FULL], admissions[RECORDED], dropped
    )


def _only(call: Call[ImportQuery, bytes], input_name: str) -> str | None:
    """Return the ID of the connection named in the query, which the input must feed, or None."""
    query = call.query
    if query.connection is None:
        return None
    connection = call.services.connections.get(query.connection)
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
IMPORT_INPUTS: Final = Endpoint(
    "POST",
    f"{_INPUTS}/import",
    "import_inputs",
    "Add or change inputs, matched by name: all of them or none. Secrets of new ones are not shown again.",
    "admin",
    _import_inputs,
    can_refuse=True,
)
CHANGE_INPUT: Final = Endpoint(
    "PATCH",
    _ONE,
    "change_input",
    "Change a browser input's origins, a Kafka input's settings, and whether an input may send purchases.",
    "admin",
    _change,
    can_miss=True,
    can_refuse=True,
)
ROTATE_INPUT: Final = Endpoint(
    "POST",
    f"{_ONE}/rotate",
    "rotate_input",
    "Rotate secrets, or a browser input's key: create new ones. The old ones stay valid until they are retired.",
    "admin",
    _rotate,
    can_miss=True,
    can_refuse=True,
)
RETIRE_SECRETS: Final = Endpoint(
    "POST",
    f"{_ONE}/retire",
    "retire_secrets",
    "Retire old secrets, or a browser input's old key: only the newest ones stay valid.",
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
    IMPORT_INPUTS,
    CHANGE_INPUT,
    ROTATE_INPUT,
    RETIRE_SECRETS,
    IMPORT_BATCHES,
    REMOVE_INPUT,
)
