"""A sitecustomize that the hook's own hides."""

LOADED = True
