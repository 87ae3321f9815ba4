"""Iterations on a CUDA device: in place, passes fused where triton is, launched as a CUDA graph.

Each variant is used only where `phasing.backend.try_out` found, on the device itself, that it computes what plain torch does and
that it is quicker.
"""
