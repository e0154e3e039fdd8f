"""What is asked of the moments, and whether a mode has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: A layer is right if, given the sampled moments of its input, its median variance is this close.
LAYER_TOLERANCE = 0.01


@dataclass(frozen=True)
class Target:
    """One requirement.

    Attributes
    ----------
    name, wanted : str
        For tables.
    shown : function
        From a mode's numbers to text.
    met : function
        From a mode's numbers to whether it holds.
    """

    name: str
    wanted: str
    shown: Callable[[Mapping[str, Any]], str]
    met: Callable[[Mapping[str, Any]], bool]


def layers_within(numbers: Mapping[str, Any]) -> tuple[int, int]:
    """How many layers are right by themselves, and of how many."""
    medians = [layer["local"]["ratio"]["median"] for layer in numbers["layers"].values()]
    return sum(abs(median - 1) <= LAYER_TOLERANCE for median in medians), len(medians)


def band(ratio: Mapping[str, float] | None) -> str:
    """Median and ends of a variance ratio as text; None is that of no image."""
    if ratio is None:  # the scale was fitted on all images there are
        return "no other image"
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def _in_band(ratio: Mapping[str, float] | None) -> bool:
    if ratio is None:
        return False
    return 0.8 <= ratio["median"] <= 1.25 and ratio["low"] >= 0.6 and ratio["high"] <= 1.6


TARGETS = (
    Target(
        "Spearman of logit variance",
        "≥ .95",
        lambda n: f"{n['logits']['spearman']:.3f}",
        lambda n: n["logits"]["spearman"] >= 0.95,
    ),
    Target(
        "analytic / true variance, before",
        "",
        lambda n: band(n["logits"]["ratio"]),
        lambda n: _in_band(n["logits"]["ratio"]),
    ),
    Target(
        "after one scalar, other images",
        ".8-1.25 [≥ .6, ≤ 1.6]",
        lambda n: band(n["after_scale"]["logits"]),
        lambda n: _in_band(n["after_scale"]["logits"]),
    ),
    Target(
        "mean-logit error, sd",
        "≤ .10",
        lambda n: f"{n['logits']['mean_error']:.3f}",
        lambda n: n["logits"]["mean_error"] <= 0.10,
    ),
    Target(
        "argmax agreement",
        "≥ .995",
        lambda n: f"{n['argmax_agreement']:.4f}",
        lambda n: n["argmax_agreement"] >= 0.995,
    ),
    Target(
        "v ≤ p(1-p)",
        "100 %",
        lambda n: f"{100 * n['within_bound']:.2f} %",
        lambda n: n["within_bound"] == 1,
    ),
    Target(
        "layers within 1 %, given their sampled input",
        "all",
        lambda n: "{} of {}".format(*layers_within(n)),
        lambda n: len(set(layers_within(n))) == 1,
    ),
)
