"""A plan that fits computer and budget: the settings of both networks, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from trustseg_training.config.planning import Plan
from trustseg_training.config.template import to_text
from trustseg_training.dataset.fingerprint import Fingerprint
from trustseg_training.formatting import count
from trustseg_training.training import Times
from TrustSegLib.report.files import write_atomically

from .record import Request
from .schedule import Costs, Epochs, Schedule, Sizes
from .time_left import in_words

#: Settings that the data do not choose.
PRESET = "our-3d"

#: Names of both networks: of their run folders and, with ``.yaml``, their settings.
TWIN, VDP = "twin", "vdp"

#: Folder for prepared images that are larger than the memory, in the work folder.
CACHE = "cache"

#: Fewer steps of the twin make a rough model.
ENOUGH_STEPS = 600

#: With fewer steps, learning the shapes comes before learning them in noise.
_STEPS_FOR_NOISE = 1500

#: An average of the weights needs many times its own length.
_EMA, _STEPS_FOR_EMA = 0.995, 1000

#: Times the budget that a plan may take before it is said that it takes longer.
_TOO_LONG = 1.25


@dataclass(frozen=True)
class FittedPlan:
    """Settings, the schedule that they allow, and the times that were measured.

    Attributes
    ----------
    request : Request
        What was asked for.
    fingerprint : Fingerprint
        Of the data.
    plan : Plan
        Settings that both networks share.
    schedule : Schedule
        How the time is shared out.
    costs, sizes : Costs, Sizes
        What the schedule was made of.
    """

    request: Request
    fingerprint: Fingerprint
    plan: Plan
    schedule: Schedule
    costs: Costs
    sizes: Sizes

    @property
    def steps(self) -> dict[str, int]:
        """Of each training."""
        found = {TWIN: self.schedule.twin, VDP: self.schedule.vdp}
        return {name: epochs.count * self.sizes.steps for name, epochs in found.items()}

    @property
    def rank(self) -> tuple[int, float]:
        """The larger, the better: more steps of the twin, then less time."""
        return self.steps[TWIN], -sum(self.schedule.seconds.values())

    def write_settings(self) -> None:
        """Write a settings file for each network into the work folder, with the reason for every choice."""
        for name, plan in self._plans().items():
            text = to_text(plan, self.fingerprint, PRESET)
            write_atomically(self.request.work / f"{name}.yaml", text.encode())

    def warnings(self) -> Iterator[str]:
        """What is wrong with a model of this plan."""
        if self.steps[TWIN] < ENOUGH_STEPS:
            few = f"only {count(self.steps[TWIN], 'step')} of training on this computer"
            yield f"{few}: the model will be rough; allow a larger --budget, or use a GPU"

    def lines(self, accelerator: str) -> Iterator[str]:
        """The plan for a person.

        Parameters
        ----------
        accelerator : str
            On which it was measured, ``cpu`` or ``gpu``.
        """
        c, seconds, data = self.plan.configuration, self.schedule.seconds, self.fingerprint
        cores = count(torch.get_num_threads(), "core")
        place = "the GPU" if accelerator == "gpu" else f"{cores} of this computer"
        yield f"plan for {self.request.output}, measured on {place}: {in_words(sum(seconds.values()))}"
        yield (
            f"  data        {count(data.images, 'image')} of {count(data.patients, 'patient')}, "
            f"{count(self.sizes.validation, 'image')} for validation; {', '.join(c.structures)}"
        )
        yield (
            f"  network     U-Net with {'-'.join(map(str, c.filters))} filters; patches of "
            f"{' x '.join(map(str, c.patch))} voxels, {c.batch_size} a step; "
            f"{self.plan.step_bytes / 2**30:.2g} GiB"
        )
        for name, (epochs, times) in self._trainings().items():
            yield (
                f"  {name:<11} {self.steps[name]} steps of {times.step:.2g} s in "
                f"{count(epochs.count, 'epoch')}: {in_words(seconds[name])}"
            )
        yield (
            f"  calibration {count(self.schedule.cases, 'image')} under {self.sizes.conditions} conditions: "
            f"{in_words(seconds['calibrate'])}"
        )
        yield f"  evaluation  and export: {in_words(seconds['evaluate'] + seconds['export'])}"
        total, budget = sum(seconds.values()), 60 * self.request.minutes
        if total > _TOO_LONG * budget:
            short = f"on this computer, {in_words(budget)} are too short"
            yield f"warning: {short}: it will take {in_words(total)}"

    def _trainings(self) -> dict[str, tuple[Epochs, Times]]:
        return {
            TWIN: (self.schedule.twin, self.costs.twin),
            VDP: (self.schedule.vdp, self.costs.vdp),
        }

    def _plans(self) -> dict[str, Plan]:
        """The settings of each network, and why they are so."""
        noise = self.steps[TWIN] >= _STEPS_FOR_NOISE
        rate = self.plan.configuration.learning_rate
        own = {
            TWIN: {"family": "deterministic"},
            VDP: {
                "initialize_from": TWIN,
                "learning_rate": rate / 2,
                "ema": _EMA if self.steps[VDP] >= _STEPS_FOR_EMA else None,
            },
        }
        start = {"learning_rate": f"Half of that of the twin, {rate:g}, from which this network starts."}
        plans = {}
        for name, (epochs, _) in self._trainings().items():
            settings = {
                **own[name],
                "epochs": epochs.count,
                "validation_every": epochs.every,
                "augmentation": "noise" if noise else "default",
                "cache": CACHE if "cache" in self.plan.reasons else None,
            }
            reasons = self.plan.reasons | self._reasons(name, noise) | (start if name == VDP else {})
            configuration = replace(self.plan.configuration, **settings)
            plans[name] = replace(self.plan, configuration=configuration, reasons=reasons)
        return plans

    def _reasons(self, name: str, noise: bool) -> dict[str, str]:
        _, times = self._trainings()[name]
        shapes = f"Without noise: with fewer than {_STEPS_FOR_NOISE} steps, shapes are learned first."
        return {
            "epochs": (
                f"{count(self.steps[name], 'step')}, which took {times.step:.3g} s each when this was "
                f"planned: the training's part of {in_words(60 * self.request.minutes)} in all."
            ),
            "validation_every": "A divisor of the epochs; validations may take a tenth of the training.",
            "augmentation": "Noise in the training makes masks robust." if noise else shapes,
        }
