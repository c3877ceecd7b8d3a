"""The numbers of the changes of documents in a store that one process owns. They begin with the process."""

from collections.abc import Iterable

from tiktok_forwarder.store.documents import CONFIGURATION, DocumentChanges, DocumentKey, is_numbered
from tiktok_forwarder.store.rules import documents_changed


class ChangeLog:
    """Keeps which change of each document was the last. All its methods are called in one thread."""

    def __init__(self) -> None:
        self._last = 0
        self._number_of: dict[DocumentKey, int] = {}

    def add(self, keys: Iterable[DocumentKey]) -> None:
        """Give a change of these documents the next number."""
        numbered = [key for key in keys if is_numbered(key[0])]
        if numbered:
            self._last += 1
            self._number_of.update(dict.fromkeys(numbered, self._last))

    def after(self, number: int | None) -> DocumentChanges:
        """Return what has changed after this number; with None only the last number."""
        if number is None or number >= self._last:
            return DocumentChanges(self._last)
        changed = [(last, key) for key, last in self._number_of.items() if last > number]
        return DocumentChanges(self._last, tuple(key for _, key in sorted(changed, key=lambda each: each[0])))

    def check(self, as_of: int | None) -> None:
        """Raise `DocumentsChanged` if a document of the configuration was changed after this number."""
        if as_of is not None and any(kind in CONFIGURATION for kind, _ in self.after(as_of).changed):
            raise documents_changed()
