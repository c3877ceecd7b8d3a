"""One outside thing per file: the database, TikTok over HTTP, encryption, time, telemetry."""
