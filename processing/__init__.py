"""The processing room."""
