"""The interface to the other processes that use the same store: what only they know can be asked."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

Topic = Literal["delivery_status", "development_events", "forget_development_events", "kafka_status", "seen_names"]


class Nodes(Protocol):
    """The other processes that run the service on this store, called nodes.

    Questions and answers are not stored for longer than it takes to answer them, and only the nodes can read them.
    """

    def on_question(self, topic: Topic, answer: Callable[[bytes], bytes]) -> None:
        """Register what answers the other nodes' questions of this topic."""
        ...

    async def ask(self, topic: Topic, question: bytes = b"") -> Sequence[bytes]:
        """Return the answers of the other nodes, in no order, within about a second.

        A node that does not answer in time is left out. Never raises.
        """
        ...

    def start(self) -> None:
        """Answer questions from now on."""
        ...

    async def close(self) -> None: ...


class OnlyNode:
    """`Nodes` of a store that one process uses: there are no others to ask."""

    def on_question(self, topic: Topic, answer: Callable[[bytes], bytes]) -> None:
        pass

    async def ask(self, topic: Topic, question: bytes = b"") -> Sequence[bytes]:
        return ()

    def start(self) -> None:
        pass

    async def close(self) -> None:
        pass
