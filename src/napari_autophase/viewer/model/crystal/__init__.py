"""A crystal as numbers that can be drawn: quantities, colours, meshes, landmarks."""
