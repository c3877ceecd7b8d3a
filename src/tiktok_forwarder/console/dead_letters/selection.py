"""Which dead letters a page is about, kept in its address and in its form."""

from collections.abc import Callable

from msgspec import Struct, structs

from tiktok_forwarder.api.types import DeadLetterQuery, DeadLetterSelection
from tiktok_forwarder.console.api import unchecked
from tiktok_forwarder.console.rendering import link


class Selected(Struct, frozen=True):
    """Every member given must hold; `event_no` is one letter's number."""

    connection: str = ""
    reason: str = ""
    event_no: str = ""

    @classmethod
    def of(cls, given: Callable[[str], str]) -> "Selected":
        """`given` answers with the value of a name, as a query or form does."""
        return cls(**{name: given(name) for name in cls.__struct_fields__})

    @property
    def is_everything(self) -> bool:
        return not any(structs.astuple(self))

    def api_query(self, after: str, limit: int) -> DeadLetterQuery:
        """As a query of the list."""
        return DeadLetterQuery(self.connection, self.reason, after=unchecked(after), limit=limit)

    def selection(self, *, dry_run: bool = False) -> DeadLetterSelection:
        """As the API's selection for a replay or discard."""
        number = int(self.event_no) if self.event_no.isdecimal() else unchecked(self.event_no)
        return DeadLetterSelection(
            connection=self.connection or None,
            reason=self.reason or None,
            event_nos=[number] if self.event_no else None,
            dry_run=dry_run,
        )

    def address(self, path: str, **more: object) -> str:
        return link(path, **structs.asdict(self), **more)
