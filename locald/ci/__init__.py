"""Pipelines of CI systems: one description, a form for each system."""
