"""One event of either API, laid out so that one rule can check both."""

from typing import Any, Final, Literal

from tiktok_sandbox.arrival import JsonObject
from tiktok_sandbox.facts import Api, EventSource

_NOTHING: Final[JsonObject] = {}
Leaf = Literal["ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent", "page_url"]
_PATHS: Final[dict[Api, dict[Leaf, str]]] = {
    "1.0": {
        "ttclid": "context.ad.callback",
        "ttp": "context.user.ttp",
        "email": "context.user.email",
        "phone": "context.user.phone_number",
        "external_id": "context.user.external_id",
        "ip": "context.ip",
        "user_agent": "context.user_agent",
        "page_url": "context.page.url",
    },
    "2.0": {
        "ttclid": "user.ttclid",
        "ttp": "user.ttp",
        "email": "user.email",
        "phone": "user.phone",
        "external_id": "user.external_id",
        "ip": "user.ip",
        "user_agent": "user.user_agent",
        "page_url": "page.url",
    },
}


class EventView:
    """The objects of an event, empty if it has none, and its leaves by their 2.0 names.

    `misshapen` is the path of the first member that should be an object or a list and is not.
    """

    __slots__ = (
        "ad",
        "api",
        "app",
        "contents",
        "context",
        "email",
        "event",
        "external_id",
        "ip",
        "is_batched",
        "lead",
        "misshapen",
        "now_seconds",
        "page",
        "page_url",
        "payload",
        "phone",
        "properties",
        "source",
        "ttclid",
        "ttp",
        "user",
        "user_agent",
    )

    def __init__(
        self, api: Api, source: EventSource, is_batched: bool, event: JsonObject, payload: bytes, now_seconds: float
    ) -> None:
        self.api = api
        self.source = source
        self.is_batched = is_batched
        self.event = event
        self.payload = payload
        self.now_seconds = now_seconds
        self.misshapen: str | None = None
        self.properties = self._object(event, "properties", "properties")
        self.contents = self._contents()
        if api == "1.0":
            self._lay_out_1_0(event)
        else:
            self._lay_out_2_0(event)

    def path_of(self, leaf: Leaf) -> str:
        return _PATHS[self.api][leaf]

    def _lay_out_1_0(self, event: JsonObject) -> None:
        self.context = context = self._object(event, "context", "context")
        self.ad = self._object(context, "ad", "context.ad")
        self.page = self._object(context, "page", "context.page")
        self.user = user = self._object(context, "user", "context.user")
        self.app = self.lead = _NOTHING
        self.ttclid = self.ad.get("callback")
        self.phone = user.get("phone_number")
        self.ip = context.get("ip")
        self.user_agent = context.get("user_agent")
        self._take_common_leaves(user)

    def _lay_out_2_0(self, event: JsonObject) -> None:
        self.context = _NOTHING
        self.ad = self._object(event, "ad", "ad")
        self.page = self._object(event, "page", "page")
        self.user = user = self._object(event, "user", "user")
        self.app = self._object(event, "app", "app")
        self.lead = self._object(event, "lead", "lead")
        self.ttclid = user.get("ttclid")
        self.phone = user.get("phone")
        self.ip = user.get("ip")
        self.user_agent = user.get("user_agent")
        self._take_common_leaves(user)

    def _take_common_leaves(self, user: JsonObject) -> None:
        self.email = user.get("email")
        self.external_id = user.get("external_id")
        self.ttp = user.get("ttp")
        self.page_url = self.page.get("url")

    def _object(self, holder: JsonObject, name: str, path: str) -> JsonObject:
        value = holder.get(name)
        if type(value) is dict:
            return value
        if value is not None:
            self.misshapen = self.misshapen or path
        return _NOTHING

    def _contents(self) -> list[JsonObject]:
        value: Any = self.properties.get("contents")
        if value is None:
            return []
        if type(value) is not list:
            self.misshapen = self.misshapen or "properties.contents"
            return []
        for number, content in enumerate(value):
            if type(content) is not dict:
                self.misshapen = self.misshapen or f"properties.contents.{number}"
                return []
        return value
