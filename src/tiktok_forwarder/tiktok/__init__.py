"""TikTok's formats: event objects, request bodies and the meaning of answers, for every version of its Events API."""
