"""Make models for TrustSeg from labelled images, from the command line."""

__version__ = "0.1.0"
