"""Reading and writing files: writes are atomic, and reads never run code from a file."""
