"""The settings of an input as files and programs give them: everything but its secrets."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

InputKind = Literal["server", "browser"]
"""What sends: a server with a secret, or web pages, whose key is public and whose origins are listed."""


class InputSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """An input's settings. A key that is not given is generated, or stays; only a browser input has `origins`."""

    name: str
    kind: InputKind = "server"
    key: str | None = None
    origins: Sequence[str] = ()
    allows_purchases: bool = True


class InputDifference(Struct, frozen=True, omit_defaults=True):
    """The effect of an import on one input. An added one has a `key`; a server's has secrets, shown only once."""

    name: str
    change: Literal["add", "change", "none"]
    before: InputSettings | None
    after: InputSettings
    key: str | None = None
    secret: str | None = None
    authorization: str | None = None
