"""The mappings of one TikTok event while they are edited, and their connection."""

from collections.abc import Sequence

from msgspec import Struct

from tiktok_forwarder.api.types import ConnectionView
from tiktok_forwarder.console.mappings.draft import DraftMapping, mappings_of
from tiktok_forwarder.console.mappings.places import (
    MergedMappings,
    Problems,
    merge_drafts,
    numbered_lines,
    problems_by_card,
)
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.connection import Connection


class Editing(Struct, frozen=True):
    """`view` is the connection as the API shows it."""

    view: ConnectionView
    target: TargetEvent
    drafts: Sequence[DraftMapping]

    @property
    def event(self) -> str:
        return self.target.name

    @property
    def connection(self) -> Connection:
        return self.view.connection()

    def merged(self) -> MergedMappings:
        """Return all mappings of the connection, with the drafts replacing the event's stored ones."""
        return merge_drafts(mappings_of(self.view), self.event, self.drafts)

    def problems(self, messages: Sequence[str]) -> Problems:
        """Return the API's messages by card."""
        return problems_by_card(messages, self.drafts, self.merged().positions)

    def problem_list(self, messages: Sequence[str]) -> list[str]:
        """Return the API's messages as one list."""
        return numbered_lines(self.problems(messages), self.drafts)
