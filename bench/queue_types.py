"""The types of the queue, which earlier versions have in another module: `AGAINST` measures these too."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
else:
    try:
        from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
    except ModuleNotFoundError:
        from tiktok_forwarder.store.events import Arrivals, GroupLimits, NewEvent

__all__ = ["Arrivals", "GroupLimits", "NewEvent"]
