"""Whole flows through running systems: edges, launcher, the main job."""
