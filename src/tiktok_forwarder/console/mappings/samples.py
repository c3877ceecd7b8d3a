"""The sample events of a preview: generated, pasted, or kept from mParticle's development environment."""

import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.api.previews import LIST_DEVELOPMENT_EVENTS, DevelopmentQuery
from tiktok_forwarder.console.api import Api
from tiktok_forwarder.console.mappings.draft import document_of
from tiktok_forwarder.console.mappings.editing import Editing
from tiktok_forwarder.console.mappings.sample_data import generated_sample
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.operations.previews import KeptOutcome

PASTED: Final = "pasted"
_MADE: Final = "made"
_NOTHING_PASTED: Final = "Paste a batch of events as mParticle sends it to see the TikTok events it maps to."
_NO_MAPPING: Final = "Add a mapping, or paste a sample, to see the TikTok events it maps to."


class Samples(Struct, frozen=True):
    """The available samples. `chosen` is one of the options' values; `kept` is by such values."""

    options: list[Choice]
    chosen: str
    pasted: str
    kept: Mapping[str, KeptOutcome]


class Sample(Struct, frozen=True):
    """`batch` is a sender's batch, as an object or text; `received_at_ms` is None for now.

    `unmet` are conditions of the mapping that a generated sample does not meet, as sentences.
    """

    batch: object
    received_at_ms: int | None = None
    unmet: list[str] = []


class NoSampleError(Exception):  # named for what is lacking
    """There is no sample yet. The message says how to get one."""


async def samples_of(api: Api, editing: Editing, chosen: str, pasted: str) -> Samples:
    """Return the samples; the first is chosen by default."""
    answer = await api.call(LIST_DEVELOPMENT_EVENTS, query=DevelopmentQuery(editing.view.id))
    kept = {_value(event): event for event in answer.events}
    options = [*_made(editing), Choice(PASTED, "Pasted sample"), *(Choice(*each) for each in _labels(kept))]
    is_there = chosen in [option.value for option in options]
    return Samples(options, chosen if is_there else options[0].value, pasted, kept)


def _made(editing: Editing) -> list[Choice]:
    several = len(editing.drafts) > 1
    return [
        Choice(f"{_MADE} {draft.key}", f"Generated sample for mapping {number}" if several else "Generated sample")
        for number, draft in enumerate(editing.drafts, 1)
    ]


def _value(event: KeptOutcome) -> str:
    """Return a value that identifies the event, whatever is received in the meantime."""
    return f"kept {sha256(msgspec.json.encode(event.batch)).hexdigest()[:16]}"


def _labels(kept: Mapping[str, KeptOutcome]) -> Sequence[tuple[str, str]]:
    return [
        (value, f"Development event {number}: {_named(event)}") for number, (value, event) in enumerate(kept.items(), 1)
    ]


def _named(event: KeptOutcome) -> str:
    return f"{event.event_type.replace('_', ' ')} {event.event_name or 'without a name'}"


def sample_of(editing: Editing, samples: Samples) -> Sample:
    """Return the chosen sample. Raises `NoSampleError`."""
    kept = samples.kept.get(samples.chosen)
    if kept is not None:
        return Sample(kept.batch, kept.at_ms)
    if samples.chosen != PASTED:
        key = samples.chosen.removeprefix(f"{_MADE} ")
        mapping = document_of(next(draft for draft in editing.drafts if draft.key == key), editing.event)
        generated = generated_sample(mapping, editing.connection, time.time_ns() // 1_000_000)
        return Sample(generated.batch, unmet=generated.unmet)
    if not samples.pasted.strip():
        raise NoSampleError(_NOTHING_PASTED if editing.drafts else _NO_MAPPING)
    return Sample(samples.pasted)
