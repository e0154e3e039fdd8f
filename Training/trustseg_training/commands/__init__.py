"""One module per command of `trustseg-train`: ``SUMMARY``, ``add_arguments(parser)`` and ``run(options)``."""
