"""What is printed: text that any stream can write, and progress."""
