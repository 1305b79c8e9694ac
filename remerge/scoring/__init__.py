"""Scoring of encoders on images: answers, scores, entropies."""
