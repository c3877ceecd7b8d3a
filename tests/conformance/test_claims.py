"""What a process may rely on that claims work for itself; how several share it is PostgreSQL's matter."""

from tests.conformance.rig import Rig
from tiktok_forwarder.store.claims import HeldClaims


async def test_only_process_holds_whatever_it_wants(rig: Rig) -> None:
    """As long as it wants it, and by topic."""
    for wanted in (["a", "b"], ["b", "c", "d"], ["b", "c", "d"], []):
        held: HeldClaims = await rig.store.renew_claims("delivery", wanted)
        assert (set(held.names), held.surplus) == (set(wanted), 0)
        assert held.seconds >= 3.5
        assert (await rig.store.renew_claims("totals", ["a"])).names == {"a"}


async def test_name_given_back_can_be_claimed_again(rig: Rig) -> None:
    """Giving back twice, or what was never held, is no error."""
    await rig.store.renew_claims("delivery", ["a", "b"])
    for _ in range(2):
        await rig.store.give_back_claims("delivery", ["a", "x"])
    assert (await rig.store.renew_claims("delivery", ["a", "b"])).names == {"a", "b"}


async def test_names_of_any_text_can_be_claimed(rig: Rig) -> None:
    """They are hashes today."""
    names = ["", "'", "ü", "a" * 500]
    assert (await rig.store.renew_claims("delivery", names)).names == set(names)
