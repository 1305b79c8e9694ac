"""Figures: functions that draw score frames with matplotlib, one module per figure, in a common style."""
