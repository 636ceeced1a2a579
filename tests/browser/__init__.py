"""The page in a real Chromium. A package, so that the running system and Chromium end with its last test."""
