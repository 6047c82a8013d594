"""The evaluation suite: people, prompts and methods in one file; pictures, scores and a report in one folder."""
