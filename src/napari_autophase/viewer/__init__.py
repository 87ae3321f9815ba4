"""The rooms that know napari and Qt: docks, layers, threads.

`session` and `controller` hold what happens, without Qt; `layers`, `results` and `mesh` what is seen; `worker` the threads; and
each ``*_dock`` one panel that only shows and asks.
"""
