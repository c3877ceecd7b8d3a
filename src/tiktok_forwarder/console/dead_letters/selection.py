"""The selection of dead letters that a page shows, kept in its query and its form."""

from collections.abc import Callable

from msgspec import Struct, structs

from tiktok_forwarder.api.types import DeadLetterQuery, DeadLetterSelection
from tiktok_forwarder.console.api import unchecked
from tiktok_forwarder.console.rendering import link


class Selected(Struct, frozen=True):
    """Selects letters that match every given member; `event_no` is the number of one."""

    connection: str = ""
    reason: str = ""
    event_no: str = ""

    @classmethod
    def of(cls, given: Callable[[str], str]) -> "Selected":
        """Read the selection; `given` returns the value of a name, as a query or form does."""
        return cls(**{name: given(name) for name in cls.__struct_fields__})

    @property
    def is_everything(self) -> bool:
        return not any(structs.astuple(self))

    def api_query(self, after: str, limit: int) -> DeadLetterQuery:
        """Return the selection as a query of the list."""
        return DeadLetterQuery(self.connection, self.reason, after=unchecked(after), limit=limit)

    def selection(self, *, dry_run: bool = False) -> DeadLetterSelection:
        """Return the selection for a replay or discard."""
        number = int(self.event_no) if self.event_no.isdecimal() else unchecked(self.event_no)
        return DeadLetterSelection(
            connection=self.connection or None,
            reason=self.reason or None,
            event_nos=[number] if self.event_no else None,
            dry_run=dry_run,
        )

    def address(self, path: str, **more: object) -> str:
        return link(path, **structs.asdict(self), **more)
