"""Figures: functions from tidy score frames to matplotlib figures, one module each, one style for all."""
