"""A run under judgment with the same weights, passed through its network in another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from TrustSegLib.errors import OptionError

from .subject import Subject


def varied(
    subject: Subject, name: str, propagation: str | None = None, options: Mapping[str, Any] | None = None
) -> Subject:
    """The same weights with another propagation or other options of the family.

    Parameters
    ----------
    subject : Subject
        A run.
    name : str
        Of the variant.
    propagation : str, optional
        For the family ``vdp``: ``taylor``, ``exact`` or ``correlated``.
    options : mapping, optional
        Of the family, such as ``passes``; those that are not named stay.

    Raises
    ------
    OptionError
        The subject is no run, or the family does not have such a variant.
    """
    if subject.run is None:
        raise OptionError(f"{subject.name}: only a run has variants; name one")
    configuration = subject.run.configuration
    if propagation not in (None, configuration.propagation) and configuration.family != "vdp":
        raise OptionError(f"{name}: family {configuration.family} has one propagation only; leave it out")
    changed = replace(
        configuration,
        propagation=propagation or configuration.propagation,
        family_options={**configuration.family_options, **(options or {})},
    )
    run = replace(subject.run, configuration=changed)
    run.network()  # says what is wrong with an option before anything is judged
    return replace(subject, name=name, model=run, run=run)


def passed_through(subject: Subject) -> dict[str, Any]:
    """How the weights are used, which their hash does not tell."""
    known = subject.model.description
    return {
        "family": known.family,
        "propagation": known.propagation,
        "options": dict(known.family_options),
    }
