"""Builds what a version consists of: wheel, source archive, requirements, bill of materials, and image."""
