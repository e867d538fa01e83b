"""Metrics: (predictions, references) → named numbers with signature and per-example statistics."""
