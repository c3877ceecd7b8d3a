"""What people can view afterwards, and who is notified of what happens."""

from dataclasses import dataclass

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.configured import Configured
from tiktok_forwarder.foundation import Foundation
from tiktok_forwarder.operations.observers import Observers
from tiktok_forwarder.otlp.tracing import Tracing


@dataclass(frozen=True)
class Watched:
    """What people can view afterwards. Intake and delivery notify `observers`."""

    activity: Activity
    seen_names: SeenNames
    development_events: DevelopmentEvents
    tracing: Tracing
    observers: Observers


def watched_in(base: Foundation, configured: Configured) -> Watched:
    settings = base.settings
    activity = Activity(
        base.activity_store,
        base.clock,
        base.subject_hash,
        most_per_second=settings.activity_events_per_second,
    )
    seen_names = SeenNames(base.nodes)
    development_events = DevelopmentEvents(
        configured.connections, configured.inputs, settings.development_events_kept, base.nodes
    )
    tracing = Tracing.with_ratio(settings.trace_ratio, configured.connections.name_of)
    observers = Observers(base.telemetry, activity, seen_names, development_events, tracing.observer)
    return Watched(activity, seen_names, development_events, tracing, observers)
