"""A scan in the window: what shows it, what is asked of its file, masks, boxes, and what phasing will take of it."""
