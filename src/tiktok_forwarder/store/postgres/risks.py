"""What a PostgreSQL server risks by its settings: is a confirmed change on its disk, and on another machine's?"""

from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.risks import RiskName, StoreRisk

_STANDBY_RISKS: dict[str, RiskName] = {"local": "standby_not_awaited", "remote_write": "standby_not_on_disk"}


async def find_risks(database: Database) -> list[StoreRisk]:
    """Return what the settings of this process's sessions risk. Raises `StoreUnavailable`."""
    ((fsync, synchronous_commit, has_names, has_standby),) = await database.rows("durability")
    names: list[RiskName] = []
    if fsync != "on":
        names.append("fsync_off")
    if synchronous_commit == "off":
        # It does not wait for a standby either.
        names.append("synchronous_commit_off")
    elif has_names and synchronous_commit in _STANDBY_RISKS:
        names.append(_STANDBY_RISKS[synchronous_commit])
    if not has_names or not has_standby:
        names.append("no_synchronous_standby")
    return [StoreRisk(name) for name in names]
