"""Encoders run over images: answers, scores, entropies."""
