"""What an evaluation has found: values with intervals, as tables, as files for other programs, and as a page."""
