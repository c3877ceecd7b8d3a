"""The strict reader that checks requests refuses what a lenient one would let pass."""

import pytest

from tests.strict_json import read_strictly


@pytest.mark.parametrize(
    "body",
    [
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b"[-1e400]",
        b"[1" + b"0" * 400 + b"]",
        b'{"a":1,"a":2}',
        b'{"a":[{"b":1,"c":2,"b":1}]}',
        b'["\xff"]',
        b'["\n"]',
        b"[1,]",
        b"[01]",
        b"[1] [2]",
        b"",
    ],
)
def test_what_readers_disagree_about_is_refused(body: bytes) -> None:
    """A request that some reader at TikTok refuses would be lost as a whole."""
    with pytest.raises(ValueError, match=r"."):
        read_strictly(body)


def test_plain_json_is_read() -> None:
    """Nothing that every reader takes is refused."""
    read = read_strictly(
        b' {"a": [1, -0.0, 1.7976931348623157e308, 5e-324, null, true], "b": {"a": "\\u00e9\xc3\xa9"}} '
    )
    assert read == {"a": [1, 0.0, 1.7976931348623157e308, 5e-324, None, True], "b": {"a": "éé"}}
