"""A run: the state machine, how far it is, what is seen of it, and what is done behind the window."""
