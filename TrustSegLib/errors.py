"""Errors that the user can mend: one line that names the file, what is wrong and what to do."""

from __future__ import annotations


class TrustSegError(Exception):
    """Base of every error that a command reports in one line with exit code 2."""


class ImageError(TrustSegError):
    """An image cannot be read, or is not what the model needs."""


class BundleError(TrustSegError):
    """A model bundle is missing, damaged or not understood."""


class OutputError(TrustSegError):
    """A result cannot be written."""


class OptionError(TrustSegError):
    """An option or a configuration value is not valid."""
