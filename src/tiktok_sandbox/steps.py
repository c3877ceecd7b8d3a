"""The steps of a script: what the sandbox does with a request instead of, or before, checking it.

Each step is JSON too, such as `{"do": "code", "code": 50000, "times": 3}`; the control route and the Python API share
these types. `taken` is whether TikTok kept the events without notifying the client: then they are duplicates when
they are sent again.
"""

import base64
import binascii
import gzip
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Times = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """A step. `times`: how often it is done before the next step has its turn; None repeats it forever."""

    times: Times | None = 1


class Pass(Step, frozen=True, kw_only=True, tag="pass"):
    """Check the request as if there were no script, optionally after a delay."""

    delay_seconds: Seconds = 0.0


class Code(Step, frozen=True, kw_only=True, tag="code"):
    """Answer with a code. `{i}` in the message becomes the index of the event whose script this is.

    Without `message` it is TikTok's own for the code, where known; without `status`, as the sandbox's options say.
    """

    code: int
    message: str | None = None
    status: int | None = None
    data: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: Seconds = 0.0


class Http(Step, frozen=True, kw_only=True, tag="http"):
    """Answer over HTTP with anything at all. The body is repeated, then compressed if `gzip` is set."""

    status: int = 200
    body: str = ""
    body_base64: str | None = None
    repeat: Times = 1
    gzip: bool = False
    content_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: Seconds = 0.0
    taken: bool = False

    def __post_init__(self) -> None:
        self._content()

    def body_content(self) -> bytes:
        content = self._content() * self.repeat
        return gzip.compress(content) if self.gzip else content

    def _content(self) -> bytes:
        try:
            return self.body.encode() if self.body_base64 is None else base64.b64decode(self.body_base64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"body_base64 must be base64: {error}") from None


class Wire(Step, frozen=True, kw_only=True, tag="wire"):
    """Write this text to the connection unchanged, then close it."""

    text: str
    taken: bool = False


class Silence(Step, frozen=True, kw_only=True, tag="silence"):
    """Read the request and never answer."""

    taken: bool = True


class Reset(Step, frozen=True, kw_only=True, tag="reset"):
    """Reset the connection. Before the body, the sandbox cannot know which events it would have brought."""

    when: Literal["before_body", "after_body", "mid_answer"] = "after_body"
    taken: bool = True


class Drip(Step, frozen=True, kw_only=True, tag="drip"):
    """Answer code 0, one byte at a time, from the head on or after it."""

    interval_seconds: Seconds = 1.0
    part: Literal["head", "body"] = "body"
    taken: bool = True


class Endless(Step, frozen=True, kw_only=True, tag="endless"):
    """Answer in chunks, forever."""

    interval_seconds: Seconds = 0.01
    taken: bool = True


AnswerStep = Code | Http | Wire | Silence | Reset | Drip | Endless
AnyStep = Pass | AnswerStep
