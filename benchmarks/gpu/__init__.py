"""Everything that only a GPU can tell, measured by one command and written into one table.

`__main__` is the command, `plan` says what is measured and in which order, `run` gives each job a process of its own
and what is left of the time, `report` writes the table. The other files measure, one subject each.
"""
