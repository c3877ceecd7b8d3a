"""The API's problems by the places in the settings that they name."""

from collections.abc import Mapping, Sequence

from msgspec import Struct


class Wrong(Struct, frozen=True):
    """A problem with the ID of its field and that field's label."""

    anchor: str
    label: str
    problem: str


class ProblemPlaces:
    """Messages by place, such as `forwarding_rules[1].when[0].at_least`."""

    def __init__(self, problems: Sequence[str] = ()) -> None:
        found: dict[str, list[str]] = {}
        for problem in problems:
            place, _, message = problem.partition(": ")
            found.setdefault(place, []).append(message)
        self._by_place: Mapping[str, list[str]] = found

    def at(self, place: str) -> list[str]:
        return list(self._by_place.get(place, ()))

    def below(self, place: str) -> list[str]:
        """Return the messages on this place and on its parts."""
        return [
            message
            for name, messages in self._by_place.items()
            if name == place or name.startswith((f"{place}.", f"{place}["))
            for message in messages
        ]
