"""Nodes behind the Caddyfile that end while events are sent: no sender notices, and no event is lost or doubled."""

import json
import signal
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.deployment import VARIABLES, deployed
from tests.integration.service_rig import BASIC, fresh_batch

SENDERS: Final = 4
ACCEPTED: Final = 202

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Senders:
    """Threads that send one event after the other over kept connections, and never one twice."""

    def __init__(self, port: int) -> None:
        self.statuses: dict[str, int | str] = {}
        self._port = port
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        count = 0
        while not self._stopping.wait(0.005):
            event_id = f"sent-{number}-{(count := count + 1)}"
            try:
                connection.request("POST", "/v2/events", json.dumps(fresh_batch(event_id)), BASIC)
                answer = connection.getresponse()
                text = answer.read().decode()
                self.statuses[event_id] = answer.status if answer.status == ACCEPTED else f"{answer.status} {text}"
            except (OSError, HTTPException) as error:
                self.statuses[event_id] = repr(error)
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_every_request_is_accepted_while_a_node_that_receives_ends(tmp_path: Path, number: signal.Signals) -> None:
    """What it left unanswered is sent to the other node, and an event that it had stored is not stored again."""
    with deployed(tmp_path) as deployment:
        senders = Senders(deployment.proxy.port)
        time.sleep(2)
        deployment.composed.nodes["ingest-1"].end(number)
        time.sleep(3)
        senders.stop()
        sent = senders.statuses
        assert {event_id: status for event_id, status in sent.items() if status != ACCEPTED} == {}
        deployment.until_delivered(*sent)
        (connection,) = deployment.api("GET", "/api/status")["connections"]
        assert connection["totals"]["accepted"] == connection["totals"]["delivered"] == len(sent)
        # Senders repeat what no node could receive.
        deployment.composed.nodes["ingest-2"].end(signal.SIGKILL)
        body = json.dumps(fresh_batch("late")).encode()
        answer = deployment.proxy.request("POST", "/v2/events", body, BASIC)
        assert (answer.status, answer.json["errors"][0]["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert deployment.proxy.request("GET", "/readyz").status == 503
        assert deployment.proxy.request("GET", "/login", headers={"Host": VARIABLES["DOMAIN"]}).status == 200
