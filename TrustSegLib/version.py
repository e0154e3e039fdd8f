"""The version of the library, said once."""

__version__ = "0.1.0"
