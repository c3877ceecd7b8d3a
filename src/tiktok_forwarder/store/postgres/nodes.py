"""Questions and answers between the nodes of a database, sealed, in tables that are not logged."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from tiktok_forwarder.domain.errors import SecretUnreadable, StoreUnavailable
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.store.nodes import Topic
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.notifications import QUESTIONS

_POLL_SECONDS: Final = 0.25
_ANSWER_POLL_SECONDS: Final = 0.03
# A node is asked if it has looked for questions within this time, which is several of its looks.
_PRESENT_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 1.0
_TIDY_SECONDS: Final = 30.0
_BOUND_TO: Final = "question"


class PostgresNodes:
    """The `Nodes` of a process that runs between `start` and `close`; before and after, it answers nothing.

    `wake` shortens the wait for questions; without it they are found by polling.
    """

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        self._process = uuid.uuid4()
        self._answers: dict[str, Callable[[bytes], bytes]] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def on_question(self, topic: Topic, answer: Callable[[bytes], bytes]) -> None:
        self._answers[topic] = answer

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="questions of other nodes")

    def wake(self) -> None:
        self._woken.set()

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        with suppress(StoreUnavailable):
            await self._database.run("stop_listening", self._process)

    async def ask(self, topic: Topic, question: bytes = b"") -> Sequence[bytes]:
        try:
            async with asyncio.timeout(2 * _ANSWER_SECONDS):
                return await self._ask(topic, question)
        except (StoreUnavailable, TimeoutError):
            return ()

    async def _ask(self, topic: Topic, question: bytes) -> Sequence[bytes]:
        asked = await self._database.value("other_listening_nodes", self._process, _PRESENT_SECONDS)
        if not asked:
            return ()
        question_no = await self._database.call("ask", self._process, topic, self._sealed(question))
        await self._database.run("notify", QUESTIONS, "")
        for _ in range(round(_ANSWER_SECONDS / _ANSWER_POLL_SECONDS)):
            if await self._database.value("count_answers", question_no) >= asked:
                break
            await asyncio.sleep(_ANSWER_POLL_SECONDS)
        found = await self._database.use(lambda session: session.rows("take_answers", question_no))
        return [opened for (body,) in found if (opened := self._opened(body)) is not None]

    # --- answering ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        seen_at = tidied_at = float("-inf")
        while True:
            with suppress(StoreUnavailable):
                if loop.time() > seen_at + _PRESENT_SECONDS / 3:
                    await self._database.run("listen_for_questions", self._process)
                    seen_at = loop.time()
                if loop.time() > tidied_at + _TIDY_SECONDS:
                    await self._database.run("delete_old_questions")
                    await self._database.run("delete_late_answers")
                    tidied_at = loop.time()
                await self._answer_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    async def _answer_all(self) -> None:
        for question_no, topic, body in await self._database.rows(
            "unanswered_questions", self._process, _ANSWER_SECONDS
        ):
            answer, question = self._answers.get(topic), self._opened(body)
            if answer is not None and question is not None:
                await self._database.run("answer", question_no, self._process, self._sealed(answer(question)))

    def _sealed(self, body: bytes) -> bytes:
        return self._box.seal(body.decode(), _BOUND_TO).encode()

    def _opened(self, body: bytes) -> bytes | None:
        """Return the body, or None if a node with another key has sealed it."""
        try:
            return self._box.open(body.decode(), _BOUND_TO).encode()
        except SecretUnreadable:
            return None
