"""Reading and writing files: whole or not at all, and without running code in them."""
