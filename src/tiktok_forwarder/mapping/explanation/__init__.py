"""Explains for people what the mapping did: sources of fields, results of rules, differences, and advice."""
