"""What batches become at TikTok, without a service."""
