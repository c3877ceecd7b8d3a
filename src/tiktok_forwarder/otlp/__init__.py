"""Metrics and traces for an OpenTelemetry collector, over OTLP, if the setting `otlp_endpoint` names one."""
