"""A stand-in of TikTok's event endpoints that checks like TikTok and remembers what it got."""
