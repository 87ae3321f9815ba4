"""Everything that numba compiles: the backend for CPUs, behind `phasing.backend`, which alone imports it.

A map of the room
-----------------
``backend``     what the other rooms are given: iterations, likelihoods, sums
``box``         an object that iterates in a box; ``descent`` one that moves along directions
``iterate``, ``stages``, ``sums``, ``likelihood``, ``short``   the compiled functions that these call
``blurs``       what blurs intensities, by transforms or by ``short`` kernels
``fft``         transforms of eight lines at a time; ``simd`` eight numbers as one value
``layout``      how volumes lie in memory; ``threads`` who does the work; ``jit`` how functions are compiled;
``cache`` where their machine code is kept

The contract
------------
Layouts
    An object is complex64 and C-contiguous, in FFT order, and iterated in place.  Its field has the last two axes transformed:
    one plane for each of the object's, bands of eight lines side by side, real before imaginary parts, and a little room after
    every plane.  The first axis is transformed a few lines at a time, and never written.  Moduli are in `layout.column_order`.
Numbers
    float32, sums over the pattern in double precision.  An iteration differs from the reference (`iterations`, plain torch) by
    rounding: 1e-5 of the largest amplitude, tested on every shape from 1 to 26 voxels a side.  ``fastmath`` is on: a NaN in the
    counts or in an object is not defined behaviour, and `Diffraction` lets none in.
Cache
    Machine code is kept in the user's cache folder (``NUMBA_CACHE_DIR`` if that is set; a temporary folder of the user's own if
    there is no home that can be written), under a name that stands for all sources that take part, the versions of Python,
    NumPy, numba and llvmlite, and the processor.  A process of its own makes it, tries it, and calls it ready; see `cache`.
Threads
    Any number of threads gives the same bits: every plane and line is computed in the same way and order, and partial sums are
    added in one order.  As many take part as ``torch.get_num_threads()`` says.  Compiled functions hold no lock of Python's.
    Pools belong to one process; a forked child makes its own.
"""
