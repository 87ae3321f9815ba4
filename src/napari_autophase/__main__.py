"""``python -m napari_autophase``: the command line."""

from .cli import program

program()
