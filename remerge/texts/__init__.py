"""Texts and the answers to them: a file per task and split."""

NO_ANSWER = 65_535
"""The number of an answer that does not have the form of its task's answers."""
