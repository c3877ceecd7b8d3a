"""Imports of inputs: several are added or changed by name, all of them or none."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.inputs.checks import read_origins
from tiktok_forwarder.inputs.credentials import new_authorization, new_key, new_secret
from tiktok_forwarder.inputs.inputs import Input, InputRecord, Inputs, NewInput, new_id
from tiktok_forwarder.inputs.kafka_inputs import KafkaChange, changed_kafka_record, new_kafka_record
from tiktok_forwarder.inputs.settings import InputDifference, InputSettings

MAX_IMPORTED: Final = 250


class _Planned(Struct, frozen=True):
    """A difference, and what is stored for it: ID, record and stored revision; None if nothing is."""

    difference: InputDifference
    change: tuple[str, InputRecord, int] | None = None


async def import_inputs(
    inputs: Inputs, given: Sequence[InputSettings], *, dry_run: bool, changed_by: str
) -> list[InputDifference]:
    """Add or change inputs by name; a dry run only returns what would change. Existing ones keep their credentials.

    Raises `ConfigurationError` with every problem.
    """

    async def attempt() -> list[InputDifference]:
        planned = await _plan(inputs, [structs.replace(each, name=each.name.strip()) for each in given])
        changes = [each.change for each in planned if each.change is not None]
        if changes and not dry_run:
            await inputs.put_all(changes, changed_by)
        return [each.difference for each in planned]

    differences = await inputs.change_all(attempt)
    if dry_run:
        # What is generated in a dry run is never stored.
        return [structs.replace(each, key=None, secret=None, authorization=None) for each in differences]
    return differences


async def _plan(inputs: Inputs, given: Sequence[InputSettings]) -> list[_Planned]:
    if len(given) > MAX_IMPORTED:
        raise ConfigurationError([f"at most {MAX_IMPORTED:,} inputs are imported at a time, not {len(given):,}"])
    problems: list[str] = []
    planned: list[_Planned] = []
    taken: set[str] = set()
    for index, settings in enumerate(given):
        found = inputs.find_by_name(settings.name)
        own = _repetitions(settings, taken)
        try:
            planned.append(_addition(inputs, settings) if found is None else await _change(inputs, found, settings))
        except ConfigurationError as error:
            own += error.problems
        label = f"inputs[{index}] {settings.name[:63]}".rstrip()
        problems += [f"{label}: {problem}" for problem in own]
    if problems:
        raise ConfigurationError(problems)
    return planned


def _addition(inputs: Inputs, settings: InputSettings) -> _Planned:
    if settings.kind == "kafka":
        return _kafka_addition(inputs, settings)
    key = settings.key if settings.key is not None else new_key()
    origins, origin_problems = _origins_of(settings)
    problems = inputs.addition_problems(settings.name, key) + origin_problems + _members_of_others(settings)
    if problems:
        raise ConfigurationError(problems)
    after = structs.replace(settings, origins=origins)
    allows_purchases = settings.allows_purchases
    if settings.kind == "browser":
        record = InputRecord(settings.name, key, kind="browser", origins=origins, allows_purchases=allows_purchases)
        return _Planned(InputDifference(settings.name, "add", None, after, key), (new_id(), record, 0))
    new = NewInput(new_id(), settings.name, key, new_secret(), new_authorization())
    record = inputs.sealed_record(new, allows_purchases=allows_purchases)
    difference = InputDifference(settings.name, "add", None, after, key, new.secret, new.authorization)
    return _Planned(difference, (new.id, record, 0))


def _kafka_addition(inputs: Inputs, settings: InputSettings) -> _Planned:
    if problems := _members_of_others(settings):
        raise ConfigurationError(problems)
    input_id, allows_purchases = new_id(), settings.allows_purchases
    record = new_kafka_record(inputs, input_id, settings.name, settings.kafka, allows_purchases=allows_purchases)
    after = structs.replace(settings, kafka=record.kafka)
    difference = InputDifference(settings.name, "add", None, after, changes_password=record.sealed_password is not None)
    return _Planned(difference, (input_id, record, 0))


async def _change(inputs: Inputs, found: Input, settings: InputSettings) -> _Planned:
    before = found.settings
    origins, problems = _origins_of(settings)
    problems += _members_of_others(settings)
    if settings.kind != before.kind:
        problems = [f'kind: is "{before.kind}" and cannot change; use another name']
    if settings.key not in (None, before.key):
        problems.append("key: is another one now; rotate the input to change it")
    if problems:
        raise ConfigurationError(problems)
    stored = await inputs.record_of(found)
    changed = KafkaChange(stored, changes_password=False)
    if settings.kafka is not None:
        changed = changed_kafka_record(inputs, found, stored, settings.kafka)
    record = structs.replace(changed.record, origins=origins, allows_purchases=settings.allows_purchases)
    after = structs.replace(
        before, origins=origins, allows_purchases=settings.allows_purchases, kafka=changed.record.kafka
    )
    if after == before and not changed.changes_password:
        return _Planned(InputDifference(found.name, "none", before, after))
    difference = InputDifference(found.name, "change", before, after, changes_password=changed.changes_password)
    return _Planned(difference, (found.id, record, found.revision))


def _repetitions(settings: InputSettings, taken: set[str]) -> list[str]:
    """Return what this input has in common with one before it, and note what it takes."""
    name, key = f"name {settings.name.lower()}", f"key {settings.key}"
    problems = [f'name: "{settings.name}" is used twice here'] if name in taken else []
    if settings.key is not None and key in taken:
        problems.append("key: is used twice here")
    taken |= {name, key}
    return problems


def _members_of_others(settings: InputSettings) -> list[str]:
    """Return a problem for each member that inputs of this kind do not have."""
    if settings.kind != "kafka":
        return ["kafka: only a Kafka input has some"] if settings.kafka is not None else []
    problems = ["key: a Kafka input has none"] if settings.key is not None else []
    return problems + (
        ["kafka: is missing; a Kafka input needs its servers and topics"] if settings.kafka is None else []
    )


def _origins_of(settings: InputSettings) -> tuple[tuple[str, ...], list[str]]:
    if settings.kind == "browser":
        return read_origins(settings.origins)
    return (), ["origins: only a browser input has some"] if settings.origins else []
