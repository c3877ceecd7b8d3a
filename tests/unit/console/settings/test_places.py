"""The API's problems by the places that they name."""

from tiktok_forwarder.console.settings.places import ProblemPlaces


def test_a_place_has_its_own_problems_and_those_of_its_parts() -> None:
    """A message may have a colon; a name that only begins alike is another place."""
    places = ProblemPlaces(["a[1]: x", "a[1].b: y: z", "a[1][0]: w", "a[11]: other", "a[1]: again"])
    assert places.at("a[1]") == ["x", "again"] and places.at("a") == []
    assert places.below("a[1]") == ["x", "again", "y: z", "w"]
    assert ProblemPlaces().below("a") == []
