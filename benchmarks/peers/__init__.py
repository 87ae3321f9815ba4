"""The comparison with other engines: `python benchmarks/peers` (see `peers.run`)."""
