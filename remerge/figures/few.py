"""How many tasks fit side by side."""

FEW_TASKS = 8
"""How many tasks are still readable side by side, in a figure or in a table."""
