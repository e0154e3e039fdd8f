"""Networks of several kinds, trained with one budget and put into one table."""

from .conduct import conduct

__all__ = ["conduct"]
