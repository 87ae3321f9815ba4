"""How napari is spoken to: what differs between its versions, what it draws around the layers, and where one looks."""
