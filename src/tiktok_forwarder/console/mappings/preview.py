"""A preview of what TikTok would get for a sample under the edited mappings. The API stores nothing."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.api.previews import (
    COMPARE_DEVELOPMENT_EVENTS,
    LIST_ADVICE,
    PREVIEW,
    ComparisonBody,
    PreviewBody,
)
from tiktok_forwarder.api.types import Settings
from tiktok_forwarder.console.api import Api, ApiError
from tiktok_forwarder.console.mappings.editing import Editing
from tiktok_forwarder.console.mappings.samples import NoSampleError, Sample, Samples, sample_of
from tiktok_forwarder.mapping.explanation.advice import Advice
from tiktok_forwarder.operations.previews import Comparison, PreviewedOutcome

# Invalid settings; an unreadable batch has another status.
_INVALID: Final = 422


class Preview(Struct, frozen=True):
    """A preview's contents. `hint` replaces it without a sample; `advice` is by warning, `changes` of kept events.

    `unmet` are conditions that the generated sample does not meet, as sentences.
    """

    hint: str = ""
    unmet: list[str] = []
    problems: list[str] = []
    batch: object = None
    outcomes: Sequence[PreviewedOutcome] = ()
    advice: Mapping[str, Advice] = {}
    changes: Comparison | None = None


async def run_preview(api: Api, editing: Editing, samples: Samples) -> Preview:
    connection_id = editing.view.id
    settings = {"custom_mappings": editing.merged().mappings}
    try:
        asked = ComparisonBody(connection_id, settings)
        changes = await api.call(COMPARE_DEVELOPMENT_EVENTS, body=asked) if samples.kept else None
        return await _preview_of(api, connection_id, settings, sample_of(editing, samples), changes)
    except NoSampleError as missing:
        return Preview(hint=str(missing))
    except ApiError as error:
        if error.status != _INVALID:
            return Preview(hint=f"This sample cannot be read: {error}.")
        return Preview(problems=editing.problem_list(error.problems))


async def _preview_of(
    api: Api, connection_id: str, settings: Settings, sample: Sample, changes: Comparison | None
) -> Preview:
    asked = PreviewBody(sample.batch, connection_id, settings, sample.received_at_ms)
    answer = await api.call(PREVIEW, body=asked)
    return Preview(
        unmet=sample.unmet,
        # A pasted sample is already shown in its own field.
        batch=None if isinstance(sample.batch, str) else sample.batch,
        outcomes=answer.outcomes,
        advice=(await api.call(LIST_ADVICE)).warning,
        changes=changes,
    )
