"""llmctl: from raw text to a trained and judged language model."""

__version__ = "0.1.0"
