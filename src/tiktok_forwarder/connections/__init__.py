"""Connections: documents with sealed access tokens, their changes, their check with TikTok and their deletion."""
