"""What an export writes: everything, or what is named."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tiktok_forwarder.domain.errors import ConfigurationError, not_found


class Named(Protocol):
    @property
    def name(self) -> str: ...


Item = TypeVar("Item", bound=Named)


def choose_by_name(found: Sequence[Item], names: Sequence[str], kind: str) -> list[Item]:
    """Return those of these names, whatever their case, or all. Raises `ConfigurationError` for unknown names."""
    by_name = {each.name.lower(): each for each in found}
    if unknown := [name for name in names if name.lower() not in by_name]:
        raise ConfigurationError([not_found((each.name for each in found), kind, name) for name in unknown])
    return [by_name[name.lower()] for name in names] or list(found)
