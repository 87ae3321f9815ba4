"""Runs of a prepared scan: one, with as many attempts as it needs, or several; what they found, and whether that is enough."""
