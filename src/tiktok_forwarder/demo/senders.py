"""The demo's senders: mParticle's own Python SDK, and a webhook as mParticle's output posts it."""

import http.client
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from tiktok_forwarder.demo.shop import Action, Shop, Visitor

# A shop of medium size: about 60 requests and 150 events a second between the two senders.
PAUSE_SECONDS: Final = 0.03
_RETRY_SECONDS: Final = 1.0


class Sent:
    """The senders' figures, together.

    Events answered with 202 are acknowledged: the service is responsible for them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.acknowledged_events = 0
        self.failed_requests = 0

    def acknowledged(self, events: int) -> None:
        with self._lock:
            self.acknowledged_events += events

    def failed(self) -> None:
        with self._lock:
            self.failed_requests += 1


class Poster(Protocol):
    def __call__(self, visitor: Visitor, actions: list[Action]) -> bool:
        """Send one batch; return whether it was acknowledged."""
        ...


class Sender(threading.Thread):
    """Sends visit after visit until stopped; a batch that is not acknowledged is sent again, as mParticle does."""

    def __init__(self, name: str, shop: Shop, post: Poster, sent: Sent) -> None:
        super().__init__(name=name, daemon=True)
        self._shop = shop
        self._post = post
        self._sent = sent
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop after the current batch."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            visitor, actions = self._shop.visit()
            while not self._post(visitor, actions):
                self._sent.failed()
                if self._stopping.wait(_RETRY_SECONDS):
                    return
            self._sent.acknowledged(len(actions))
            self._stopping.wait(PAUSE_SECONDS)


def sdk_poster(base_url: str, key: str, secret: str) -> Poster:
    """Return a poster that uses the official `mparticle` package. Raises `ImportError` if it is not installed."""
    import mparticle  # noqa: PLC0415  # an extra: the service itself does without it
    from mparticle.rest import ApiException  # noqa: PLC0415  # as above
    from urllib3.exceptions import HTTPError  # noqa: PLC0415  # comes with the SDK

    configuration = mparticle.Configuration()
    # While the service is down, the client under the SDK logs each of its own attempts: the table shows that in one
    # line.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration.host = f"{base_url}/v2"
    configuration.api_key = key
    configuration.api_secret = secret
    api = mparticle.EventsApi(configuration)

    def post(visitor: Visitor, actions: list[Action]) -> bool:
        try:
            api.upload_events(_sdk_batch(mparticle, visitor, actions))
        except (ApiException, HTTPError):
            return False
        return True

    return post


def _sdk_batch(mparticle: Any, visitor: Visitor, actions: list[Action]) -> Any:
    batch = mparticle.Batch(environment=visitor.environment, ip=visitor.ip, mpid=int(visitor.mpid))
    batch.device_info = mparticle.DeviceInformation(platform="web", http_header_user_agent=visitor.user_agent)
    identities = visitor.identities
    batch.user_identities = mparticle.UserIdentities(
        customerid=identities.get("customer_id"),
        email=identities.get("email"),
        mobile_number=identities.get("mobile_number"),
    )
    # The SDK wraps events with their type only when they are set on the batch, not when passed to it.
    batch.events = [_sdk_event(mparticle, action) for action in actions]
    return batch


def _sdk_event(mparticle: Any, action: Action) -> Any:
    members = dict(action.data)
    if action.event_type == "custom_event":
        return mparticle.AppEvent(**members)
    product_action = dict(members.pop("product_action"))
    products = [mparticle.Product(**product) for product in product_action.pop("products")]
    return mparticle.CommerceEvent(
        product_action=mparticle.ProductAction(products=products, **product_action), **members
    )


def webhook_poster(host: str, port: int, path: str, authorization: str) -> Poster:
    """Return a poster in the form of mParticle's Webhook output: identities as a list, numbers as text, nulls."""
    connect: Callable[[], http.client.HTTPConnection] = lambda: http.client.HTTPConnection(host, port, timeout=10)  # noqa: E731
    connection = connect()

    def post(visitor: Visitor, actions: list[Action]) -> bool:
        nonlocal connection
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        try:
            connection.request("POST", path, json.dumps(_webhook_batch(visitor, actions)), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            connection = connect()
            return False
        return answer.status == http.client.ACCEPTED

    return post


def _webhook_batch(visitor: Visitor, actions: list[Action]) -> dict[str, Any]:
    now_ms = str(time.time_ns() // 1_000_000)
    identities = [
        {"identity_type": kind, "identity": value, "timestamp_unixtime_ms": now_ms}
        for kind, value in visitor.identities.items()
    ]
    return {
        "events": [_webhook_event(action) for action in actions],
        "user_identities": identities,
        "device_info": {"platform": "web", "http_header_user_agent": visitor.user_agent},
        "application_info": {"os": "MobileWeb"},
        "user_attributes": {},
        "deleted_user_attributes": [],
        "mpid": visitor.mpid,
        "environment": visitor.environment,
        "ip": visitor.ip,
        "timestamp_unixtime_ms": now_ms,
        "schema_version": 2,
        "context": {},
    }


def _webhook_event(action: Action) -> dict[str, Any]:
    data = {**action.data, "timestamp_unixtime_ms": str(action.data["timestamp_unixtime_ms"]), "location": None}
    if action.event_type == "commerce_event":
        data |= {"promotion_action": None, "product_impressions": None, "shopping_cart": None}
    return {"data": data, "event_type": action.event_type}
