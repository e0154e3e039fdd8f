"""Definitions of all measures in the report, one sentence each, with their sources."""

from __future__ import annotations

from dataclasses import dataclass

from trustseg_training.metrics.calibration_error import BINS
from trustseg_training.metrics.case_ranking import FAILURE_DICE
from trustseg_training.metrics.mask_agreement import SURFACE_TOLERANCE_MM
from trustseg_training.metrics.neighborhood import MARGIN


@dataclass(frozen=True)
class Definition:
    """A measure, its definition and its source."""

    name: str
    text: str
    source: str


_OURS = "defined here"
_TABLES = "in structures.csv and cases.csv"

DEFINITIONS = (
    Definition(
        "Dice (DSC)",
        "Twice the voxels that mask and truth share over the sum of both, per structure and volume; 1 if "
        "both are empty, 0 if one is.",
        "Dice, Ecology 26, 1945",
    ),
    Definition(
        "Failure",
        f"A structure's mean Dice, or a case's mean over its structures, is below {FAILURE_DICE:g}.",
        _OURS,
    ),
    Definition(
        "HD95",
        "95th percentile of the distances between both surfaces (their border voxels) in mm, the larger "
        "direction; cases with an empty mask have none and are left out.",
        "Huttenlocher et al., IEEE TPAMI 15, 1993; computed here, with SciPy",
    ),
    Definition(
        "Os, Us",
        "Over-segmentation |P \\ G| / |P \N{UNION} G| and under-segmentation |G \\ P| / |P \N{UNION} G| of "
        "mask P and truth G; IoU is 1 \N{MINUS SIGN} Os \N{MINUS SIGN} Us.",
        "Mou et al., Medical Image Analysis 67, 2021",
    ),
    Definition(
        "Volume bias",
        "Volume of the mask over that of the truth, less 1: positive where the mask is too large; in "
        "structures.csv and the summary.",
        _OURS,
    ),
    Definition(
        "Union, perfect cut, perfect union",
        "The union of all structures against the true one; each structure if the model's union was kept and "
        "cut as the truth is (voxels outside of the true union: as the nearest true structure); and if the "
        "true union was cut as the model does (missed voxels: as the nearest predicted structure). In "
        "union_and_cut.csv.",
        _OURS,
    ),
    Definition(
        f"Surface Dice ({SURFACE_TOLERANCE_MM:g} mm)",
        f"Share of both surfaces' border voxels that lie within {SURFACE_TOLERANCE_MM:g} mm of the other; "
        f"{_TABLES}.",
        "Nikolov et al., JMIR 23, 2021; computed here, with SciPy",
    ),
    Definition(
        "SNR",
        "10 log10 of the sum of x² over the sum of (x\N{PRIME} \N{MINUS SIGN} x)², on the image scaled to "
        "[0, 1], after clipping; a noise is scaled for each image until it is met.",
        _OURS,
    ),
    Definition(
        "Severity",
        "1 (just visible) to 5 (heavily degraded), a fixed table of strengths for each artifact.",
        _OURS,
    ),
    Definition(
        "Epsilon",
        "The largest change of a voxel that an attack may make, in percent of the image's range.",
        "Goodfellow et al., ICLR 2015 (FGSM); Madry et al., ICLR 2018 (PGD); Gu et al., ECCV 2022 (SegPGD)",
    ),
    Definition(
        "Error probability",
        "One less the largest class probability of a voxel; the uncertainty of the pictures.",
        _OURS,
    ),
    Definition(
        "Predictive variance",
        "Variance of the predicted class's probability under the model's weights; 0 for a model that has "
        "none.",
        "Kwon et al., MIDL 2018",
    ),
    Definition(
        "Entropy",
        "\N{MINUS SIGN}Σ p ln p of a voxel's class probabilities, in nat.",
        "Shannon, Bell System Technical Journal 27, 1948",
    ),
    Definition(
        "Mean uncertainty of a case",
        f"Mean of a map over the voxels within {MARGIN} voxels of the prediction; the truth plays no part.",
        _OURS,
    ),
    Definition(
        "Right and wrong voxels",
        f"Mean error probability of voxels with the right and the wrong label, within {MARGIN} voxels of "
        "mask or truth.",
        _OURS,
    ),
    Definition(
        "Delta-DSC",
        "Change of the Dice when the 1, 2, 5 or 10 % most uncertain voxels near the prediction (by error "
        "probability) are left out of mask and truth; above 0, the uncertainty indicates errors.",
        _OURS,
    ),
    Definition(
        "Expected Dice",
        "Dice of a mask that is expected under the class probabilities, to first order.",
        _OURS,
    ),
    Definition(
        "Pairwise Dice",
        "Mean Dice between the masks of an ensemble's members.",
        "Zenk et al., Medical Image Analysis 101, 2025",
    ),
    Definition(
        "Failure AUROC",
        "Chance that a failed case is less trusted than a good one, over all cases under all conditions; 1 "
        "is best, 1/2 is chance.",
        "Hanley and McNeil, Radiology 143, 1982",
    ),
    Definition(
        "Risk-coverage, AURC, E-AURC",
        "Mean risk (1 \N{MINUS SIGN} Dice) of the cases that are kept when the least trusted ones are "
        "referred to a person; its mean over all coverages; the same less that of the best possible order; "
        "0 is best.",
        "Geifman et al., ICLR 2019",
    ),
    Definition(
        "Spearman",
        "Rank correlation of a case's score and its Dice; \N{MINUS SIGN}1 is best.",
        "Spearman, American Journal of Psychology 15, 1904",
    ),
    Definition(
        "Growth",
        "Chains of one image under one corruption in which the score rises with every step of severity.",
        _OURS,
    ),
    Definition(
        "Brightness",
        "Relative change of the mean score under a gain, which changes nothing that is visible; 0 is best, "
        "and the largest change is reported.",
        _OURS,
    ),
    Definition(
        "Reliability, ECE",
        f"Share of right labels against the confidence of the label in {BINS} bins, and the mean distance "
        f"of the two, within {MARGIN} voxels of mask or truth.",
        "Guo et al., ICML 2017",
    ),
    Definition(
        "Brier score, NLL",
        "Mean squared distance of the class probabilities from the label, over all classes (0 to 2), and "
        "mean \N{MINUS SIGN}ln of the true label's probability, in nat.",
        "Brier, Monthly Weather Review 78, 1950",
    ),
    Definition(
        "QU-BraTS score",
        "Mean of three areas over all thresholds of the uncertainty: Dice of what is left, and what was "
        "not filtered of right voxels in the structure and outside; 1 is best.",
        "Mehta et al., MELBA 2022:026",
    ),
    Definition(
        "Interval",
        "95 % percentile bootstrap: patients are drawn with replacement, each with all of its cases.",
        "Efron and Tibshirani, An Introduction to the Bootstrap, 1993",
    ),
    Definition(
        "p",
        "Wilcoxon's signed-rank test of the differences patient by patient, corrected for the number of "
        "all comparisons in the table (Holm).",
        "Wilcoxon, Biometrics Bulletin 1, 1945; Holm, Scandinavian Journal of Statistics 6, 1979",
    ),
)

SEVERAL_TRAININGS = Definition(
    "Several trainings",
    "Networks that differ only in the seed of their training. The difference of two groups has a 95 % "
    "bootstrap interval: patients are drawn with replacement, the same ones for all networks, and of each "
    "group's trainings one less than there are (as many would make it too narrow). Only patients with a "
    "value for every network count.",
    "Owen, Annals of Applied Statistics 1, 2007; McCarthy and Snowden, Vital and Health Statistics 2-95, "
    "1985",
)


def definitions(several_trainings: bool) -> tuple[Definition, ...]:
    """Definitions of all reports, and that of several trainings if the report has any."""
    return (*DEFINITIONS, SEVERAL_TRAININGS) if several_trainings else DEFINITIONS
