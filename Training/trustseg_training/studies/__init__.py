"""Networks of several kinds, trained with one budget and put into one table."""

from .study import conduct

__all__ = ["conduct"]
