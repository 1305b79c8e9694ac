"""Texts: storage of a task's examples."""
