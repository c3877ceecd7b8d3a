"""From the store to TikTok: leases, groups, retries, pauses and rate limits."""
