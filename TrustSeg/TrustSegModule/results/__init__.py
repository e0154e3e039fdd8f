"""Results of the worker in the scene, and as files."""
