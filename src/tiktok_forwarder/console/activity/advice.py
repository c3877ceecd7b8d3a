"""What a reason or warning means, how to fix it, and the page where to fix it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tiktok_forwarder.api.previews import LIST_ADVICE, AdviceView
from tiktok_forwarder.console.api import Api
from tiktok_forwarder.console.rendering import part, wire_label
from tiktok_forwarder.mapping.explanation.advice import Advice, AdviceKind
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME

_MAPPINGS: Final = "custom_mappings"


class LinkedAdvice(Struct, frozen=True):
    """Advice on one reason or warning. `setting` is the connection's setting that decides it, empty if none does."""

    name: str
    meaning: str = ""
    remedy: str = ""
    setting: str = ""

    @property
    def label(self) -> str:
        return wire_label(self.name)

    @property
    def place(self) -> str:
        """Return the name of the place where to fix it, empty if no page can."""
        if self.setting == _MAPPINGS:
            return "custom mappings"
        return f"setting “{FIELD_BY_NAME[self.setting].label}”" if self.setting else ""

    def address(self, connection_id: str) -> str:
        """Return the path of that place."""
        connection = f"/connections/{part(connection_id)}"
        return f"{connection}/mappings" if self.setting == _MAPPINGS else f"{connection}/edit#field-{self.setting}"


class AdviceCatalog:
    """All advice, by the name of the reason or warning."""

    def __init__(self, view: AdviceView) -> None:
        by_kind: Mapping[AdviceKind, Mapping[str, Advice]] = {
            "dropped": view.dropped,
            "dead_letter": view.dead_letter,
            "warning": view.warning,
        }
        self._by_kind = {
            kind: {
                name: LinkedAdvice(name, given.meaning, given.remedy, given.setting) for name, given in found.items()
            }
            for kind, found in by_kind.items()
        }

    def get(self, name: str) -> LinkedAdvice:
        """Return the advice for this name; its texts are empty if there is none."""
        return next((found[name] for found in self._by_kind.values() if name in found), LinkedAdvice(name))

    def names(self, kind: AdviceKind) -> list[str]:
        return list(self._by_kind[kind])


async def advice_catalog(api: Api) -> AdviceCatalog:
    return AdviceCatalog(await api.call(LIST_ADVICE))
