"""Errors that the user can fix: one line that names the file, what is wrong and what to do."""

from __future__ import annotations


class TrustSegError(Exception):
    """Base class of the errors that a command reports in one line, with exit code 2."""


class ImageError(TrustSegError):
    """An image cannot be read, or does not suit the model."""


class BundleError(TrustSegError):
    """A model bundle is missing, damaged or of an unknown format."""


class OutputError(TrustSegError):
    """A result cannot be written."""


class OptionError(TrustSegError):
    """An option or a configuration value is not valid."""
