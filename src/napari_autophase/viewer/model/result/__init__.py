"""A result in the window: what is shown of it, what a person says of it, and how it is kept."""
