"""Kafka as an input: consumers of mParticle's Kafka output."""
