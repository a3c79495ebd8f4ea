"""A stand-in for transformers: generation loops without models."""

__version__ = "5.19.0"
