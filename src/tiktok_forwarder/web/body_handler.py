"""The handler of a request that is answered when its body has arrived: what all routes without ASGI share."""

from abc import ABC, abstractmethod

from tiktok_forwarder.web.body import ArrivingBody, BodyLimits, late_body


class BodyHandler(ABC):
    """Receives the body of one request, bounded in bytes and time. The first failure of any kind ends the request."""

    __slots__ = ("_body", "_limits", "_started")

    def __init__(self, body: ArrivingBody, limits: BodyLimits, started: float) -> None:
        """`started` is the monotonic time at which the request's headers were complete."""
        self._body = body
        self._limits = limits
        self._started = started

    def receive(self, part: bytes) -> None:
        try:
            self._body.add(part)
        except Exception as error:
            self.fail(error)

    def end(self) -> None:
        try:
            self.use(self._body.whole())
        except Exception as error:
            self.fail(error)

    def leave(self) -> None:
        self._body.release()
        self.on_left()

    def wait(self, now: float) -> None:
        if now - self._started >= self._limits.timeout_seconds:
            self.fail(late_body(self._limits))

    def fail(self, error: Exception) -> None:
        self._body.release()
        self.refuse(error)

    @abstractmethod
    def use(self, body: bytes) -> None:
        """Do what the request asks for, and answer it, immediately or later."""

    @abstractmethod
    def refuse(self, error: Exception) -> None:
        """Answer with an error, which may be internal."""

    @abstractmethod
    def on_left(self) -> None:
        """The peer has left before its request was complete."""
