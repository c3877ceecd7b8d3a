"""The outbox: sends the waiting notices, each recipient's apart, and repeats what failed for a day.

A blocked recipient delays no other one. A notice is sent at least once: after a kill between sending and storing that,
it is sent again with the same ID.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.notices.https_post import NotSent
from tiktok_forwarder.notices.messages import Notice, testing_notice
from tiktok_forwarder.notices.recipient_settings import RecipientKind
from tiktok_forwarder.notices.recipients import Recipient, Recipients
from tiktok_forwarder.notices.sending import NoticeSender
from tiktok_forwarder.store.notices import NoticeStore, StoredNotice

_FIRST_RETRY_MS: Final = 10_000
_MAX_RETRY_MS: Final = 30 * 60_000
_TEST_WAIT_SECONDS: Final = 40.0
_TEST_POLL_SECONDS: Final = 0.1


class NoticeObserver(Protocol):
    """Receives what happens to incidents and notices, for metrics and logs. Methods must not raise."""

    def on_notice_sent(self, kind: RecipientKind) -> None: ...

    def on_notice_failed(self, kind: RecipientKind, recipient: str, reason: str) -> None:
        """An attempt failed; the reason is in this program's own words."""
        ...

    def on_notices_expired(self, count: int) -> None:
        """So many notices were deleted a day after they were created, without ever being sent."""
        ...

    def on_incident(self, kind: str, subject: str, *, is_over: bool) -> None: ...

    def on_internal_error(self, error: Exception) -> None: ...


class Outbox:
    """Sends waiting notices. `run` is called about once a second, on the node that may send."""

    def __init__(
        self,
        store: NoticeStore,
        recipients: Recipients,
        sender: NoticeSender,
        clock: Clock,
        observer: NoticeObserver,
    ) -> None:
        self._store = store
        self._recipients = recipients
        self._sender = sender
        self._clock = clock
        self._observer = observer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # Outcomes that could not be stored, by ID, so that this process does not send again what it has sent.
        self._unstored: dict[str, StoredNotice] = {}
        # Notices that could not be stored, while the store cannot be written.
        self._unsaved: dict[str, StoredNotice] = {}

    async def run(self, may_send: Callable[[], bool]) -> None:
        """Begin to send what is due; `may_send` is asked again before each attempt. Raises `StoreUnavailable`."""
        await self._store_outcomes()
        if expired := await self._store.delete_old_notices(self._clock.now_ms()):
            self._observer.on_notices_expired(len(expired))
        # What is being sent may be settled while the store is asked: those recipients have their turn the next time.
        skipped = set(self._tasks)
        due = await self._store.due_notices(self._clock.now_ms())
        ready = [each for each in due if each.recipient_id not in skipped and each.id not in self._unsaved]
        self._begin(ready, may_send)

    def run_unsaved(self, may_send: Callable[[], bool]) -> None:
        """Begin to send what is due of the notices that are in memory only."""
        now_ms = self._clock.now_ms()
        waiting = [each for each in self._unsaved.values() if each.state == "waiting" and each.due_ms <= now_ms]
        self._begin(waiting, may_send)

    def keep_unsaved(self, notices: Sequence[StoredNotice]) -> None:
        """Take notices that the store cannot take now."""
        self._unsaved |= {each.id: each for each in notices}

    def unsaved(self, notices: Sequence[StoredNotice]) -> list[StoredNotice]:
        """Return notices of `keep_unsaved` as they are now."""
        return [self._unsaved.get(each.id, each) for each in notices]

    def forget_unsaved(self, notices: Sequence[StoredNotice]) -> None:
        """Forget notices that the store has taken."""
        for notice in notices:
            self._unsaved.pop(notice.id, None)

    async def test(self, recipient: Recipient) -> StoredNotice:
        """Have a test sent to a recipient, by the node that sends; return it with its outcome.

        It is still waiting if no node has tried to send it in time. Raises `StoreUnavailable`.
        """
        now_ms = self._clock.now_ms()
        notice = new_notice(recipient.id, testing_notice(recipient.name, now_ms), now_ms)
        await self._store.add_notices([notice])
        with suppress(TimeoutError):
            async with asyncio.timeout(_TEST_WAIT_SECONDS):
                while await self._is_waiting(notice.id):  # noqa: ASYNC110 - another process may send it
                    await asyncio.sleep(_TEST_POLL_SECONDS)
        return await self._store.notice(notice.id) or notice

    async def _is_waiting(self, notice_id: str) -> bool:
        found = await self._store.notice(notice_id)
        return found is not None and found.state == "waiting"

    async def stop(self) -> None:
        """Stop sending; what was not sent stays in the store."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _begin(self, due: Sequence[StoredNotice], may_send: Callable[[], bool]) -> None:
        by_recipient = sorted(due, key=lambda each: each.recipient_id)
        for recipient_id, notices in groupby(by_recipient, key=lambda each: each.recipient_id):
            if recipient_id not in self._tasks:
                task = asyncio.create_task(self._send_all(list(notices), may_send), name="notices")
                self._tasks[recipient_id] = task
                task.add_done_callback(partial(self._on_done, recipient_id))

    def _on_done(self, recipient_id: str, _: asyncio.Task[None]) -> None:
        del self._tasks[recipient_id]

    async def _send_all(self, notices: Sequence[StoredNotice], may_send: Callable[[], bool]) -> None:
        for notice in notices:
            if not may_send():
                return
            if notice.id in self._unstored:
                continue
            try:
                await self._send(notice)
            except Exception as error:  # one notice must not keep the others from being sent
                self._observer.on_internal_error(error)

    async def _send(self, notice: StoredNotice) -> None:
        recipient = self._recipients.get(notice.recipient_id)
        contents = msgspec.json.decode(notice.body, type=Notice)
        now_ms = self._clock.now_ms()
        if recipient is None:
            await self._settle(
                replace(notice, state="failed", reason="the recipient was removed", settled_at_ms=now_ms)
            )
            return
        tried = replace(notice, attempts=notice.attempts + 1)
        try:
            remark = await self._sender.send(recipient, notice.id, contents)
        except NotSent as failure:
            self._observer.on_notice_failed(recipient.settings.kind, recipient.name, str(failure))
            await self._settle(self._failed(tried, failure, is_test=contents.type == "test"))
            return
        self._observer.on_notice_sent(recipient.settings.kind)
        sent_at_ms = self._clock.now_ms()
        await self._settle(replace(tried, state="sent", reason=remark, settled_at_ms=sent_at_ms))

    def _failed(self, notice: StoredNotice, failure: NotSent, *, is_test: bool) -> StoredNotice:
        now_ms = self._clock.now_ms()
        if failure.is_final or is_test:
            return replace(notice, state="failed", reason=str(failure), settled_at_ms=now_ms)
        return replace(notice, due_ms=now_ms + retry_delay_ms(notice.attempts), reason=str(failure))

    async def _settle(self, notice: StoredNotice) -> None:
        if notice.id in self._unsaved:
            self._unsaved[notice.id] = notice
            return
        self._unstored[notice.id] = notice
        with suppress(StoreUnavailable):  # the next run stores it
            await self._store_outcomes()

    async def _store_outcomes(self) -> None:
        for notice in list(self._unstored.values()):
            await self._store.settle_notice(notice)
            if self._unstored.get(notice.id) is notice:
                del self._unstored[notice.id]


def new_notice(recipient_id: str, contents: Notice, now_ms: int) -> StoredNotice:
    """Return a notice that is due now. Its ID is the webhook's, the same in every attempt."""
    notice_id = f"msg_{secrets.token_hex(12)}"
    return StoredNotice(notice_id, recipient_id, now_ms, msgspec.json.encode(contents), due_ms=now_ms)


def retry_delay_ms(attempts: int) -> int:
    """Return the delay before the next attempt: it doubles with each, up to half an hour."""
    return min(_MAX_RETRY_MS, _FIRST_RETRY_MS << min(attempts - 1, 20))
