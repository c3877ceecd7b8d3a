"""Flash messages: what a page shows once after a change."""

from collections import OrderedDict
from typing import Final

from tiktok_forwarder.access.sessions import Session

_MAX_SESSIONS: Final = 1000
_MAX_MESSAGES: Final = 10


class FlashMessages:
    """Flash messages by session, in memory and bounded: the oldest are dropped."""

    def __init__(self) -> None:
        self._by_session: OrderedDict[str, list[str]] = OrderedDict()

    def add(self, session: Session, message: str) -> None:
        waiting = self._by_session.setdefault(session.csrf_token, [])
        waiting.append(message)
        del waiting[:-_MAX_MESSAGES]
        while len(self._by_session) > _MAX_SESSIONS:
            self._by_session.popitem(last=False)

    def take(self, session: Session) -> list[str]:
        return self._by_session.pop(session.csrf_token, [])
