"""The client side of the worker: standard library and numpy only, so that it loads without PyTorch."""
