"""The only room that knows napari and Qt.

`model` holds what happens and what is seen, without Qt; `threads` do its work, and `sessions` bring both together for a viewer;
`widgets` are small and know no session, `docks` are the panels; `reader`, `writer`, `samples`, `palette` and `show` are the doors
that napari and notebooks come in by.
"""
