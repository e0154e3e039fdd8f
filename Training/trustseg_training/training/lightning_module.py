"""One training run of one network, for Lightning."""

from __future__ import annotations

import math

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from trustseg_training.config import FitConfiguration
from trustseg_training.data import Sample
from trustseg_training.metrics import dice
from TrustSegLib.inference.prediction import PlaneNetwork
from TrustSegLib.inference.sliding_window import sliding_window
from TrustSegLib.networks import FAMILIES, build

from . import objective

#: Lightning scales the gradients of this precision, and skips a step whose scaled gradient is not finite.
SCALED_PRECISION = "16-mixed"


def network_of(configuration: FitConfiguration) -> nn.Module:
    """The network that a run trains, with fresh weights."""
    return build(
        configuration.network,
        configuration.family,
        configuration.propagation,
        **configuration.family_options,
    )


def volume_network(network: nn.Module) -> nn.Module:
    """The network as `sliding_window` takes it: for volumes, even if it knows planes only."""
    return PlaneNetwork(network) if network.spec.dimensions == 2 else network


def evaluated_unions(configuration: FitConfiguration) -> dict[str, tuple[int, ...]]:
    """Labels of every mask that is validated, by the name of its score: structures, then regions.

    A structure's score is ``val/dice_1``, ``val/dice_2``, ...; a region's has the region's name.
    """
    labels = range(1, len(configuration.structures) + 1)
    structures = {f"val/dice_{label}": (label,) for label in labels}
    return structures | {f"val/dice_{name}": union for name, union in configuration.regions.items()}


class Segmentation(lightning.LightningModule):
    """Fit a network of any family and watch the Dice of whole validation volumes.

    ``val/dice``, which chooses the best epoch and ends a run early, is the mean over the regions where the
    configuration has some, on which such a data set is evaluated, and over the structures else.

    Parameters
    ----------
    configuration : FitConfiguration
        Settings of the run.
    images : int
        Number of training images, which scales the divergence.
    """

    def __init__(self, configuration: FitConfiguration, images: int) -> None:
        super().__init__()
        self.configuration, self.images = configuration, images
        self.network = network_of(configuration)
        if configuration.family == "deterministic" and configuration.dimensions == 3:
            # Its convolutions are faster so, and equal to rounding; exact moments get a third slower.
            self.network.to(memory_format=torch.channels_last_3d)
        family = FAMILIES[configuration.family]
        if family.random_weights and not family.own_variances:
            self.network.set_relative_variance(configuration.relative_variance)
        self._unions = evaluated_unions(configuration)
        self._dice: dict[int, np.ndarray] = {}

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Seed dropout and sampled weights: a resumed run draws what the unbroken one would have drawn."""
        torch.manual_seed(hash((self.configuration.seed, self.global_step, self.global_rank)) % 2**63)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Objective of one batch of patches."""
        image, target = batch
        terms = self._terms(image, target)
        logged = {f"train/{name}": value for name, value in terms.items()}
        if hasattr(self.network, "kl_divergence"):
            divergence = self.network.kl_divergence()
            logged["train/divergence"] = divergence
            terms["divergence"] = self._tempered(divergence, target[0].numel())
        loss = sum(terms.values())
        self.log_dict(logged, on_step=False, on_epoch=True, sync_dist=True)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        parts = ", ".join(f"{name.replace('_', ' ')} {value.item():.4g}" for name, value in terms.items())
        self._check_finite(loss, f"the loss is {loss.item()} in epoch {self.current_epoch} ({parts})")
        return loss

    def _terms(self, image: Tensor, target: Tensor) -> dict[str, Tensor]:
        configuration = self.configuration
        weights = configuration.class_weights
        options = objective.LossOptions(
            samples=configuration.logit_samples,
            seed=hash((configuration.seed, self.global_step)) % 2**63,
            weights=None if weights is None else torch.tensor(weights, device=image.device),
            gather=objective.alone if self.trainer.world_size == 1 else self._gather,
        )
        return objective.losses(configuration.objective, self.network, self.network(image), target, options)

    def _tempered(self, divergence: Tensor, voxels: int) -> Tensor:
        steps = int(self.trainer.estimated_stepping_batches)
        factor = objective.annealing(self.configuration.kl_schedule, self.global_step, steps)
        weight = self.configuration.kl_weight * factor
        return objective.tempered_divergence(divergence, self.images, voxels, weight)

    def _gather(self, batch: Tensor) -> Tensor:
        return self.all_gather(batch, sync_grads=batch.requires_grad).flatten(0, 1)

    def on_before_optimizer_step(self, _: torch.optim.Optimizer) -> None:
        """Stop before a gradient that is not finite spoils the weights."""
        if self.configuration.precision == SCALED_PRECISION:
            return
        # A sum is finite only when every term is.
        sums = [p.grad.sum() for p in self.network.parameters() if p.grad is not None]
        message = f"the gradient is not finite in epoch {self.current_epoch}, though the loss was"
        self._check_finite(torch.stack(sums).sum(), message)

    def _check_finite(self, value: Tensor, message: str) -> None:
        """Stop all processes, if one has to: the others would wait for it."""
        finite = bool(torch.isfinite(value))
        if not self.trainer.strategy.reduce_boolean_decision(finite, all=True):
            raise FloatingPointError(f"{message}; try a smaller learning rate, or look at the images")

    def validation_step(self, sample: Sample, index: int) -> dict[str, np.ndarray] | None:
        """Dice of every structure and region of a patient's volume; callbacks get the first prediction."""
        if index % self.trainer.world_size != self.global_rank:
            return None  # another process's turn
        mean, _ = sliding_window(
            sample["image"].cpu().numpy(),
            volume_network(self.network),
            self.configuration.patch_shape,
            device=self.device,
        )
        labels, truth = mean.argmax(axis=0), sample["label"][0].cpu().numpy()
        masks = ([np.isin(volume, union) for volume in (labels, truth)] for union in self._unions.values())
        self._dice[index] = np.array([dice(*pair) for pair in masks])
        return {"labels": labels, "error": 1 - mean.max(axis=0)} if index == 0 else None

    def on_validation_epoch_end(self) -> None:
        """Log the means over patients, and the score of the epoch."""
        mean = self._all_dice().mean(axis=0)
        self._dice.clear()
        self.log_dict({name: float(value) for name, value in zip(self._unions, mean, strict=True)})
        scored = mean[len(self.configuration.structures) :] if self.configuration.regions else mean
        self.log("val/dice", float(scored.mean()), prog_bar=True)

    def _all_dice(self) -> np.ndarray:
        """(patients, structures and regions) of all processes."""
        if self.trainer.world_size == 1:
            return np.stack(list(self._dice.values()))
        table = np.zeros((len(self.trainer.val_dataloaders.dataset), len(self._unions)))
        for index, row in self._dice.items():
            table[index] = row
        shared = torch.from_numpy(table).float().to(self.device)
        return self.trainer.strategy.reduce(shared, reduce_op="sum").cpu().numpy()

    def configure_optimizers(self) -> dict:
        """AdamW with a short warm-up and a cosine to zero; variances and norms are not decayed."""
        groups = self._parameter_groups()
        optimizer = torch.optim.AdamW(groups, lr=self.configuration.learning_rate, weight_decay=0.0)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _parameter_groups(self) -> list[dict]:
        rate, apart = self.configuration.variance_learning_rate, []
        if rate is not None and hasattr(self.network, "random_layers"):
            apart = [layer.rho for layer in self.network.random_layers()]
        left = set(self.network.parameters()) - set(apart)
        ordered = [p for p in self.network.parameters() if p in left]
        decayed, others = [p for p in ordered if p.dim() > 1], [p for p in ordered if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": self.configuration.weight_decay}, {"params": others}]
        return [*groups, {"params": apart, "lr": rate}] if apart else groups


def _warm_cosine(step: int, steps: int) -> float:
    """Factor of the learning rate: linear over the first 3 % of the steps, then half a cosine."""
    warm = max(steps * 0.03, 1)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(steps - warm, 1), 1)))
