"""The sources that the fields of a mapped event were taken from."""

from typing import TypedDict


class FieldSources(TypedDict, total=False):
    """Sources that the mapping's rules chose; nothing is noted for a field taken from the first of its sources.

    A member without a description is the path of the field's source. `mapping/places.py` has the sources of each rule,
    in the order in which it tries them.
    """

    email: str | list[str]
    """A list if the connection reads several identity types for the field."""
    phone: str | list[str]
    external_id: str | list[str]
    hashed: list[str]
    """Those of the three fields whose value was a digest already."""
    first_name: str
    last_name: str
    zip_code: str
    city: str
    state: str
    country: str
    ttp: str
    ip: str
    user_agent: str
    custom_mapping: int
    """Number of the custom mapping that made the event, from 1; absent if the standard mapping did."""
    event_id: str
    made_from: list[str]
    """Paths of the values that the event ID was made from."""
    event_time: str
    url: str
    referrer: str
    ttclid: str
    first: dict[str, list[int]]
    """Which of a property's sources was used, counted from 0, by property; for each item if it is one of an item."""
    given_currency: str
    """Path of the event's currency, whether it was used or not."""
    currency: str
    value: str
    summed: str
    """How each product counted for the value: a letter of `AMOUNTS` in `mapping/places.py`."""
    limited_data_use: str
    items: str
    """Whether each product became an item of `contents`: `i` or `-`; absent if all did."""
