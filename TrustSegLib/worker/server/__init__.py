"""The worker process: sends its greeting, loads PyTorch, and runs one job after the other."""
