"""The API of a service that runs in a thread of its own, for tests that call it from outside an event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.service_rig import fresh_batch, running_service
from tests.patience import wait_until

DISPOSABLE = "disposable"


@dataclass
class ServedApi:
    """`url` and `key` are there once it is `ready`."""

    url: str = ""
    key: str = ""
    ready: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)

    async def run(self, data_dir: Path) -> None:
        """Serve inputs, connections, waiting events, a dead letter and an administrator's key until `end`."""
        async with running_service(data_dir, log_level="error") as service:
            connection_id = await service.add_connection("Shop")
            await service.add_connection("Shoes/50 %", test_event_code="TEST1")
            await service.add_connection(DISPOSABLE)
            await service.services.inputs.add(DISPOSABLE, key=None, secret=None, authorization=None, changed_by="test")
            await service.services.api_keys.make(DISPOSABLE, "read", "test")
            await service.post(body=fresh_batch("e1"))

            async def all_wait() -> bool:
                return await service.waiting() == 3

            await wait_until(all_wait)
            await service.services.store.dead_letter_all(connection_id, "refused", 1)
            self.key = (await service.services.api_keys.make("tests", "admin", "test")).key
            self.url = service.url
            self.ready.set()
            await asyncio.to_thread(self.end.wait)


@contextmanager
def served_api(data_dir: Path) -> Iterator[ServedApi]:
    served = ServedApi()
    thread = threading.Thread(target=lambda: asyncio.run(served.run(data_dir)))
    thread.start()
    try:
        assert served.ready.wait(20)
        yield served
    finally:
        served.end.set()
        thread.join(20)
