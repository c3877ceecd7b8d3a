"""Deliveries from before TikTok's answers were kept: an update makes no connection that delivers look unchecked."""

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.check_records import CheckAnswer, CheckRecords
from tiktok_forwarder.delivery.pauses import read_state
from tiktok_forwarder.store.documents import DocumentStore
from tiktok_forwarder.store.totals import StoreTotals


async def keep_earlier_deliveries(
    connections: Connections, records: CheckRecords, documents: DocumentStore, totals: StoreTotals
) -> None:
    """Keep, for each connection without any record, what its totals and its pause show. Raises `StoreUnavailable`.

    With delivered events TikTok has accepted pixel and access token, unless its answer has paused the connection since.
    """
    without = [target for each in connections.connection_ids() if (target := connections.target(each)) is not None]
    without = [target for target in without if not records.has_record(target.connection_id)]
    if not without:
        return
    delivered = {row.connection_id for row in await totals.totals() if row.counter == "delivered" and row.count}
    for target in without:
        document = await documents.get_document("delivery_state", target.connection_id)
        pause = read_state(document).pause
        if pause is not None and pause.is_refusal and pause.cause == "misconfigured":
            answer = CheckAnswer("refused", pause.reason, pause.code)
        elif target.connection_id in delivered:
            answer = CheckAnswer("good")
        else:
            continue
        await records.keep(target.connection_id, records.settings_of(target), answer, "delivery")
