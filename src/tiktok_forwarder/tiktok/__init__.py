"""TikTok's language: event objects, request bodies and what answers mean, for Events API 1.0 and 2.0."""
