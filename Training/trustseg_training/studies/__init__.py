"""Networks of several kinds, trained with one budget and put into one table."""

from .study import StudyOptions, conduct

__all__ = ["StudyOptions", "conduct"]
