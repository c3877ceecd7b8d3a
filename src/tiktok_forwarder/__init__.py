"""A self-hosted forwarder of mParticle events to TikTok's Events API."""

__version__ = "0.1.0"
