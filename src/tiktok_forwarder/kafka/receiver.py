"""What becomes of an input's messages: each is accepted as a request's body is, until it is durable or can never be."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull, StoreUnavailable, UnreadableBody
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Acceptance
from tiktok_forwarder.kafka.interfaces import KafkaObserver, Message, MessageAcceptor, MessageOutcome, RefusedReason

_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 5.0
# Mapping goes on in the next turn of the event loop, so that requests over HTTP do not wait for messages.
_TURN_SECONDS: Final = 0.005
# An internal error is tried again, as HTTP's senders do after a 500. A message that always meets one must not stop all
# that follow.
_MAX_INTERNAL_ERRORS: Final = 5


class Receiver:
    """Accepts messages in the event loop. While the store accepts none, they wait here, and one of them is tried."""

    def __init__(
        self, acceptor: MessageAcceptor, sender: Input, finish: Callable[[Message], None], observer: KafkaObserver
    ) -> None:
        self.sender = sender
        self._acceptor = acceptor
        self._finish = finish
        self._observer = observer
        self._arrived: deque[Message] = deque()
        self._is_running = False
        self._waiting: deque[Message] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._internal_errors: dict[Message, int] = {}
        self._is_closed = False

    def receive(self, messages: Sequence[Message]) -> None:
        self._arrived.extend(messages)
        if not self._is_running:
            self._is_running = True
            self._run()

    def refuse(self, message: Message, reason: RefusedReason) -> None:
        """Count a message that can never be accepted, and report where it is."""
        self._observer.on_refused(self.sender.name, reason)
        self._observer.on_kafka_refused(self.sender.name, reason, message.place)
        self._done(message, "refused")

    def close(self) -> None:
        """Try nothing more; what was not durable is received again by the node that has the partitions next."""
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()

    def _run(self) -> None:
        turn_ends = time.monotonic() + _TURN_SECONDS
        while self._arrived:
            if time.monotonic() >= turn_ends:
                asyncio.get_running_loop().call_soon(self._run)
                return
            message = self._arrived.popleft()
            if self._waiting:
                self._waiting.append(message)
            else:
                self._accept(message)
        self._is_running = False

    def _accept(self, message: Message) -> None:
        if self._is_closed:
            return
        if message.assignment.is_released:
            self._finish(message)
        elif not message.value:
            self._done(message, "empty")
        else:
            try:
                self._acceptor.accept_soon(message.value, self.sender, partial(self._on_accepted, message))
            except Exception as error:
                self._on_accepted(message, None, error)

    def _on_accepted(self, message: Message, _acceptance: Acceptance | None, error: Exception | None) -> None:
        if error is None:
            if self._internal_errors:
                self._internal_errors.pop(message, None)
            self._done(message, "accepted")
            self._go_on()
        elif isinstance(error, UnreadableBody):
            self.refuse(message, "too_large" if error.too_large else "unreadable")
            self._go_on()
        elif isinstance(error, StoreFull | StoreUnavailable):
            self._wait(message, _reason_of(error))
        else:
            self._on_internal_error(message, error)

    def _on_internal_error(self, message: Message, error: Exception) -> None:
        self._observer.on_internal_error(error)
        number = self._internal_errors.pop(message, 0) + 1
        if number >= _MAX_INTERNAL_ERRORS:
            self.refuse(message, "internal")
            self._go_on()
            return
        self._internal_errors[message] = number
        self._wait(message, "internal")

    def _done(self, message: Message, outcome: MessageOutcome) -> None:
        self._observer.on_kafka_message(self.sender.name, outcome)
        self._finish(message)

    # --- while the store accepts nothing ---

    def _wait(self, message: Message, reason: str) -> None:
        """Keep the message, and try the first of all that wait again later."""
        if self._is_closed:
            return
        if not self._waiting and self._retry is None:
            self._observer.on_kafka_waiting(self.sender.name, reason)
        self._waiting.appendleft(message)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self._retry_seconds, self._try_one)
            self._retry_seconds = min(_LAST_RETRY_SECONDS, self._retry_seconds * 2)

    def _try_one(self) -> None:
        self._retry = None
        while self._waiting and self._waiting[0].assignment.is_released:
            self._finish(self._waiting.popleft())
        if self._waiting:
            self._accept(self._waiting.popleft())

    def _go_on(self) -> None:
        """Try all that wait, now that one was accepted."""
        if self._retry is not None:
            return
        self._retry_seconds = _FIRST_RETRY_SECONDS
        if self._waiting:
            waiting, self._waiting = list(self._waiting), deque()
            self.receive(waiting)


def _reason_of(error: StoreFull | StoreUnavailable) -> str:
    if isinstance(error, ConnectionsFull):
        return CONNECTION_FULL
    return "store_full" if isinstance(error, StoreFull) else "store_unavailable"
