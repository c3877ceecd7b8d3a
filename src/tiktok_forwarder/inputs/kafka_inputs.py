"""Additions and changes of Kafka inputs."""

import hmac
from typing import NamedTuple

from msgspec import structs

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.inputs import Input, InputRecord, Inputs, new_id
from tiktok_forwarder.inputs.kafka_checks import password_problems, read_kafka
from tiktok_forwarder.inputs.settings import KafkaSettings


class KafkaChange(NamedTuple):
    """A record with changed settings, and whether its password is another one."""

    record: InputRecord
    changes_password: bool


async def add_kafka_input(
    inputs: Inputs, name: str, given: KafkaSettings | None, *, allows_purchases: bool, changed_by: str
) -> Input:
    """Add an input that consumes topics. Raises `ConfigurationError` with every problem."""
    name = name.strip()

    async def add() -> Input:
        input_id = new_id()
        record = new_kafka_record(inputs, input_id, name, given, allows_purchases=allows_purchases)
        (added,) = await inputs.put_all([(input_id, record, 0)], changed_by)
        return added

    return await inputs.change_all(add)


async def change_kafka_input(
    inputs: Inputs,
    name: str,
    given: KafkaSettings,
    *,
    allows_purchases: bool | None,
    expected_revision: int | None,
    changed_by: str,
) -> Input:
    """Replace the settings of a Kafka input; a password that is not given stays.

    Raises `UnknownName`, `ConfigurationError`, and `RevisionConflict` if another revision is stored.
    """

    async def change() -> Input:
        found = inputs.get(name)
        if found.kind != "kafka":
            raise ConfigurationError([f'kafka: input "{found.name}" is not a Kafka input; only those have some'])
        changed = changed_kafka_record(inputs, found, await inputs.record_of(found), given).record
        if allows_purchases is not None:
            changed = structs.replace(changed, allows_purchases=allows_purchases)
        revision = found.revision if expected_revision is None else expected_revision
        (replaced,) = await inputs.put_all([(found.id, changed, revision)], changed_by)
        return replaced

    return await inputs.change_all(change)


def new_kafka_record(
    inputs: Inputs, input_id: str, name: str, given: KafkaSettings | None, *, allows_purchases: bool
) -> InputRecord:
    """Return a new Kafka input as it is stored. Raises `ConfigurationError` with every problem."""
    problems = inputs.addition_problems(name, "")
    if given is None:
        raise ConfigurationError([*problems, "kafka: is missing; a Kafka input needs its servers and topics"])
    read, more = read_kafka(given, name)
    problems += [*more, *password_problems(read, given.password), *_shared_group_problems(inputs, input_id, read)]
    if problems:
        raise ConfigurationError(problems)
    return InputRecord(
        name,
        "",
        kind="kafka",
        allows_purchases=allows_purchases,
        kafka=read,
        sealed_password=None if given.password is None else inputs.seal(given.password, input_id),
    )


def changed_kafka_record(inputs: Inputs, found: Input, stored: InputRecord, given: KafkaSettings) -> KafkaChange:
    """Return the record with these settings. Raises `ConfigurationError` with every problem."""
    read, problems = read_kafka(given, found.name)
    problems += _shared_group_problems(inputs, found.id, read)
    sealed = stored.sealed_password if read.sasl_mechanism is not None else None
    changes_password = given.password is not None
    if sealed is None or changes_password:
        problems += password_problems(read, given.password)
    if problems:
        raise ConfigurationError(problems)
    if given.password is not None:
        # An equal one stays sealed as it is, so that consumers do not start again.
        changes_password = found.unreadable or sealed is None or not _is_password_of(inputs, found, given.password)
        sealed = inputs.seal(given.password, found.id) if changes_password else sealed
    return KafkaChange(structs.replace(stored, kafka=read, sealed_password=sealed), changes_password)


def _is_password_of(inputs: Inputs, found: Input, password: str) -> bool:
    stored = inputs.password_of(found)
    return stored is not None and hmac.compare_digest(stored.encode(), password.encode())


def _shared_group_problems(inputs: Inputs, input_id: str, read: KafkaSettings) -> list[str]:
    """Return a problem for each other input in the same group: each message would go to only one of the two."""
    return [
        f'group: input "{each.name}" is in the group {read.group} of the same servers; use another group'
        for each in inputs.all()
        if each.id != input_id
        and each.kafka is not None
        and each.kafka.group == read.group
        and not set(each.kafka.servers).isdisjoint(read.servers)
    ]
