"""The process of the worker: greets, loads PyTorch, and does one job after the other."""
