"""What TikTok would get of a sample under the mappings as they are edited: asked of the API, which stores nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.console.api import Api, ApiRefused
from tiktok_forwarder.console.mappings.editing import Editing
from tiktok_forwarder.console.mappings.samples import NoSampleError, Sample, Samples, sample_of

# Of settings; a batch that cannot be read has another status.
_INVALID: Final = 422

Advice = Mapping[str, Mapping[str, str]]
"""By warning: what it means and what to change."""


class Trial(Struct, frozen=True):
    """What a preview shows. `hint` stands where there is nothing to show yet; `changes` are those of kept events."""

    hint: str = ""
    problems: list[str] = []
    batch: object = None
    outcomes: Sequence[Mapping[str, Any]] = ()
    advice: Advice = {}
    changes: Mapping[str, Any] | None = None


async def tried(api: Api, editing: Editing, samples: Samples) -> Trial:
    question = {"connection": editing.connection["id"], "settings": {"custom_mappings": editing.placed().mappings}}
    try:
        changes = await api.post("/api/preview/development", question) if samples.kept else None
        sample = sample_of(editing, samples)
        return await _previewed(api, question, sample, changes)
    except NoSampleError as missing:
        return Trial(hint=str(missing))
    except ApiRefused as refused:
        if refused.status != _INVALID:
            return Trial(hint=f"This sample cannot be read: {refused}.")
        return Trial(problems=editing.problem_list(refused.problems))


async def _previewed(api: Api, question: Mapping[str, Any], sample: Sample, changes: Mapping[str, Any] | None) -> Trial:
    more = {"batches": sample.batch, "received_at_ms": sample.received_at_ms}
    answer = await api.post("/api/preview", {**question, **more})
    return Trial(
        # What was pasted stands in its own field already.
        batch=None if isinstance(sample.batch, str) else sample.batch,
        outcomes=answer["outcomes"],
        advice=(await api.get("/api/advice"))["warning"],
        changes=changes,
    )
