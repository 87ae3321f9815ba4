"""Small widgets that know nothing of a session: forms, notes, buttons, the curve."""
