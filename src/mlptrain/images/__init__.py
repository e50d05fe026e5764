"""Image files and archives: decoding them, and the inventory of what is at a path."""
