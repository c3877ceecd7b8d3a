"""The mappings of one TikTok event while they are edited, with the connection as it stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from tiktok_forwarder.console.mappings.draft import DraftMapping
from tiktok_forwarder.console.mappings.places import Placed, Problems, numbered, placed, placed_problems


class Editing(Struct, frozen=True):
    """`connection` is as the API shows it."""

    connection: Mapping[str, Any]
    event: str
    drafts: Sequence[DraftMapping]

    @property
    def settings(self) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self.connection["settings"]
        return settings

    def placed(self) -> Placed:
        """All mappings of the connection, with these in place of the present ones."""
        return placed(self.settings["custom_mappings"], self.event, self.drafts)

    def problems(self, told: Sequence[str]) -> Problems:
        """The API's sentences, at the cards that they are about."""
        return placed_problems(told, self.drafts, self.placed().positions)

    def problem_list(self, told: Sequence[str]) -> list[str]:
        """The API's sentences as one list."""
        return numbered(self.problems(told), self.drafts)
