"""The panels: each shows a part of the session and acts on it."""
