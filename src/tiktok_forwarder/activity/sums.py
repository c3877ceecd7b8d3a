"""What adds up over several writes, and can wait if it cannot be written: figures and counts, but no records."""

from tiktok_forwarder.activity.figures import add_all
from tiktok_forwarder.activity.records import ActivityWrite, Figures, HourKey, NameCounts, NameKey


class Sums:
    """The figures by minute and hour, and the counts by name, of several writes."""

    def __init__(self) -> None:
        self.minutes: dict[tuple[int, str], Figures] = {}
        self.hours: dict[HourKey, Figures] = {}
        self.names: dict[NameKey, NameCounts] = {}

    def __bool__(self) -> bool:
        return bool(self.minutes or self.hours or self.names)

    def add_write(self, write: ActivityWrite) -> None:
        """Add what a write contains, which the caller may go on to change."""
        for minute, figures in write.figures.items():
            add_all(self.minutes.setdefault(minute, {}), figures)
        for hour, figures in write.hours.items():
            add_all(self.hours.setdefault(hour, {}), figures)
        for name, counts in write.names.items():
            self.names.setdefault(name, NameCounts(counts.first_ms, counts.last_ms)).add(counts)

    def add(self, more: "Sums") -> None:
        self.add_write(ActivityWrite((), more.minutes, (), more.hours, more.names))
