"""The versions of TikTok's Events API that events can be sent in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.tiktok.v1_0 import V1_0
from tiktok_forwarder.tiktok.v2_0 import V2_0
from tiktok_forwarder.tiktok.wire_form import WireForm

DEFAULT_WIRE_FORM: Final = V2_0
WIRE_FORMS: Final[Mapping[WireFormName, WireForm]] = {form.name: form for form in (V2_0, V1_0)}
"""Wire forms by their name in a connection's settings and in a stored event."""

MAX_EVENTS: Final = MappingProxyType({form.name: form.max_events for form in WIRE_FORMS.values()})
"""How many events one request may hold."""
