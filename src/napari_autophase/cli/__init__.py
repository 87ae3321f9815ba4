"""The command line: each command is a few lines around the functions that the window uses too."""

from .app import app, main, program

__all__ = ["app", "main", "program"]
