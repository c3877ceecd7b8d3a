"""Tests of what protects people and secrets."""
