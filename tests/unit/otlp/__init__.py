"""Tests of `tiktok_forwarder.otlp`."""
