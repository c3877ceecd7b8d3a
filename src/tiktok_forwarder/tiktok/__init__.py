"""TikTok's language: event objects, request bodies and what answers mean, for every version of its Events API."""
