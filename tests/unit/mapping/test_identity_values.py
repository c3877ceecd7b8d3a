"""The user's own identities are found in the parts of a URL, and nothing else of it is changed."""

import pytest

from tiktok_forwarder.mapping.redaction.identities import identity_values, without_identities

HOST = "https://cust-829311.example"
TEXTS = ["cust-829311", "jane q+roe", "ab=cd==", "829311", "8293114", "abc", "undefined", "(415) 555-0142"]


def clean(url: str, region: str | None = None) -> str:
    return without_identities(url, identity_values(TEXTS, ["(415) 555-0142"], region))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{HOST}/u/cust-829311?a=1", f"{HOST}/u/redacted?a=1"),
        (f"{HOST}/?id=CUST-829311&a=1;cust%2D829311#cust-829311", f"{HOST}/?id=redacted&a=1;redacted#redacted"),
        (f"{HOST}/?a=b=cust-829311", f"{HOST}/?a=b=redacted"),
        (f"{HOST}/?k=ab=cd==&k=ab%3Dcd%3d%3D", f"{HOST}/?k=redacted&k=redacted"),
        (
            f"{HOST}/?to=https%3A%2F%2Fb.example%2F%3Fid%3Dcust-829311%26n",
            f"{HOST}/?to=https%3A%2F%2Fb.example%2F%3Fid%3Dredacted%26n",
        ),
        (f"{HOST}/?n=jane+q%2Broe&n=Jane%20q+roe&n=jane%2Bq%252Broe", f"{HOST}/?n=redacted&n=redacted&n=redacted"),
        (
            f"{HOST}/?t=4155550142&t=415.555.0142&t=%28415%29+555%E2%80%930142",
            f"{HOST}/?t=redacted&t=redacted&t=redacted",
        ),
        ("cust-829311/x", "redacted/x"),
        (f"{HOST}/order-cust-829311?cust-829311=1", f"{HOST}/order-cust-829311?cust-829311=1"),
        (f"{HOST}/829311/abc?a=undefined&b=8293114", f"{HOST}/829311/abc?a=undefined&b=redacted"),
        (f"{HOST}/?t=+1-415-555-0142&t=415555014", f"{HOST}/?t=+1-415-555-0142&t=415555014"),
    ],
)
def test_whole_parts_are_replaced(url: str, expected: str) -> None:
    """A part, or what follows its first or last equals sign; short values, placeholders and longer words stay."""
    assert clean(url) == expected


def test_a_phone_number_is_found_with_its_country_code() -> None:
    """A number that the connection's region completes is found in both forms."""
    assert clean(f"{HOST}/?t=%2B1+415-555-0142&t=4155550142", "US") == f"{HOST}/?t=redacted&t=redacted"
