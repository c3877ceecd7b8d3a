"""Documents that expire, in memory."""

import heapq
from collections.abc import Collection, Sequence

from tiktok_forwarder.store.expiring import MAX_OF_KIND, ExpiringDocument, ExpiringKind, ExpiringPut
from tiktok_forwarder.store.rules import revision_conflict


class _Kind:
    """The documents of one kind, with their order of expiring.

    An entry of the order is outdated once its document has another time; it is removed when it comes first.
    """

    def __init__(self, max_documents: int) -> None:
        self._max_documents = max_documents
        self._order: list[tuple[int, str]] = []
        self.documents: dict[str, ExpiringDocument] = {}

    def put(self, document: ExpiringDocument) -> None:
        self.documents[document.id] = document
        heapq.heappush(self._order, (document.expires_at_ms, document.id))

    def remove_expired(self, now_ms: int) -> None:
        while self._order and (self._order[0][0] < now_ms or len(self.documents) > self._max_documents):
            expires_at_ms, document_id = heapq.heappop(self._order)
            found = self.documents.get(document_id)
            if found is not None and found.expires_at_ms == expires_at_ms:
                del self.documents[document_id]


class MemoryExpiring:
    """The `ExpiringStore` side of the memory store."""

    def __init__(self) -> None:
        self._kinds = {kind: _Kind(max_documents) for kind, max_documents in MAX_OF_KIND.items()}

    async def list_expiring(self, kind: ExpiringKind, now_ms: int) -> Sequence[ExpiringDocument]:
        found = [each for each in self._kinds[kind].documents.values() if each.expires_at_ms >= now_ms]
        return sorted(found, key=lambda each: each.expires_at_ms)

    async def get_expiring(self, kind: ExpiringKind, document_id: str, now_ms: int) -> ExpiringDocument | None:
        found = self._kinds[kind].documents.get(document_id)
        return found if found is not None and found.expires_at_ms >= now_ms else None

    async def put_expiring(self, puts: Sequence[ExpiringPut], now_ms: int) -> None:
        for put in puts:
            self._kinds[put.kind].remove_expired(now_ms)
            stored = self._revision_of(put)
            if put.expected_revision not in (None, stored):
                raise revision_conflict(put, stored)
        for put in puts:
            revision = self._revision_of(put) + 1
            self._kinds[put.kind].put(ExpiringDocument(put.kind, put.id, revision, put.body, put.expires_at_ms))
            self._kinds[put.kind].remove_expired(now_ms)

    async def remove_expiring(self, kind: ExpiringKind, document_ids: Collection[str]) -> int:
        documents = self._kinds[kind].documents
        return sum(documents.pop(document_id, None) is not None for document_id in set(document_ids))

    def _revision_of(self, put: ExpiringPut) -> int:
        found = self._kinds[put.kind].documents.get(put.id)
        return found.revision if found is not None else 0
