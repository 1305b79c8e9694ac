"""Downloading, checking and recording files."""
