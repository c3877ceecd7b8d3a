"""A running service as its senders and its watchers see it, with what each event's sender was told."""

import http.client
import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tests.integration.service_process import ServiceProcess
from tests.integration.service_rig import BASIC, fresh_batch

EVENTS_IN_A_BATCH: Final = 50
ASK_SECONDS: Final = 30


class Answer(NamedTuple):
    status: int
    retry_after: str | None
    body: bytes


class ObservedService:
    """Posts batches of new events. `refused` are batches that a sender would send again."""

    def __init__(self, service: ServiceProcess, first_batch: int = 1) -> None:
        self.service = service
        self.acknowledged: set[str] = set()
        self.refused: list[list[str]] = []
        self._next_batch = first_batch

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=ASK_SECONDS)
        try:
            connection.request(method, path, body, BASIC)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheader("Retry-After"), answer.read())
        finally:
            connection.close()

    def post(self) -> Answer:
        """A batch of new events."""
        ids = [f"event-{self._next_batch}-{number}" for number in range(EVENTS_IN_A_BATCH)]
        self._next_batch += 1
        return self.post_again(ids)

    def post_again(self, ids: list[str]) -> Answer:
        answer = self.ask("POST", "/v2/events", json.dumps(fresh_batch(*ids)).encode())
        if answer.status == 202:
            self.acknowledged.update(ids)
        else:
            self.refused.append(ids)
        return answer

    def post_refused_again(self) -> list[int]:
        """The answers' statuses."""
        refused, self.refused = self.refused, []
        return [self.post_again(ids).status for ids in refused]

    def problems(self) -> Sequence[str]:
        """Why it is not ready; empty if it is."""
        answer = self.ask("GET", "/readyz")
        told: dict[str, Any] = json.loads(answer.body)
        assert (answer.status == 200) == told["ready"] == (not told["reasons"]), answer
        return list(told["reasons"])

    def figure(self, name: str, label: str) -> float:
        """The sum of a metric's samples with this label; 0 if there is none."""
        exposition = self.ask("GET", "/metrics").body.decode()
        return sum(map(float, re.findall(rf"^{name}{{[^}}]*{label}[^}}]*}} (\S+)$", exposition, re.MULTILINE)))

    def log(self) -> str:
        """What the service has written so far. It never shows a traceback."""
        text = self.service.log_file.read_text()
        assert "Traceback" not in text and '"event": "fault"' not in text, text
        return text
