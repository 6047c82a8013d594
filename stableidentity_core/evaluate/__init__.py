"""Measuring what was learned: metrics, pictures to measure, clips, and maps of the name space."""
