"""The caller's side of the worker: standard library and numpy only, so that it loads without PyTorch."""
