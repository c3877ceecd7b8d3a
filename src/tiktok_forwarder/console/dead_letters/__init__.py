"""Selections and summaries of dead letters, as pages show them."""
