"""What the window says, in words."""
