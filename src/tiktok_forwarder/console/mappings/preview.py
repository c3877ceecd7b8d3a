"""What TikTok would get of a sample under the mappings as they are edited: asked of the API, which stores nothing."""

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
from tiktok_forwarder.mapping.advice import Advice
from tiktok_forwarder.operations.previews import Comparison, PreviewedOutcome

# Of settings; a batch that cannot be read has another status.
_INVALID: Final = 422


class Trial(Struct, frozen=True):
    """What a preview shows. `hint` stands where there is nothing to show yet; `advice` is by warning, and `changes` are
    those of kept events.
    """

    hint: str = ""
    problems: list[str] = []
    batch: object = None
    outcomes: Sequence[PreviewedOutcome] = ()
    advice: Mapping[str, Advice] = {}
    changes: Comparison | None = None


async def tried(api: Api, editing: Editing, samples: Samples) -> Trial:
    connection_id = editing.view.id
    settings = {"custom_mappings": editing.placed().mappings}
    try:
        asked = ComparisonBody(connection_id, settings)
        changes = await api.call(COMPARE_DEVELOPMENT_EVENTS, body=asked) if samples.kept else None
        return await _previewed(api, connection_id, settings, sample_of(editing, samples), changes)
    except NoSampleError as missing:
        return Trial(hint=str(missing))
    except ApiError as error:
        if error.status != _INVALID:
            return Trial(hint=f"This sample cannot be read: {error}.")
        return Trial(problems=editing.problem_list(error.problems))


async def _previewed(
    api: Api, connection_id: str, settings: Settings, sample: Sample, changes: Comparison | None
) -> Trial:
    asked = PreviewBody(sample.batch, connection_id, settings, sample.received_at_ms)
    answer = await api.call(PREVIEW, body=asked)
    return Trial(
        # What was pasted stands in its own field already.
        batch=None if isinstance(sample.batch, str) else sample.batch,
        outcomes=answer.outcomes,
        advice=(await api.call(LIST_ADVICE)).warning,
        changes=changes,
    )
