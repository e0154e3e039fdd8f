"""One training run of one network, for Lightning."""

from __future__ import annotations

import math

import lightning
import numpy as np
import torch

from TrustSegLib.inference.sliding_window import sliding_window
from TrustSegLib.moments import LogitMoments
from TrustSegLib.networks import build

from . import objective
from .configuration import FitConfiguration
from .evaluation import dice
from .preprocessing import Sample


class Segmentation(lightning.LightningModule):
    """Fit a network of any family and watch the Dice of whole validation volumes.

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
        self.network = build(configuration.network, configuration.family, configuration.propagation)
        if configuration.family == "vdp":
            self.network.set_relative_variance(configuration.relative_variance)
        self._dice: list[np.ndarray] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Objective of one batch of patches."""
        image, target = batch
        logits = self.network(image)
        if isinstance(logits, LogitMoments):
            seed = hash((self.configuration.seed, self.global_step)) % 2**63
            losses = objective.expected_losses(logits, target, self.configuration.logit_samples, seed)
        else:
            losses = objective.plain_losses(logits, target)
        loss = sum(losses)
        self.log_dict(
            {"train/cross_entropy": losses[0], "train/dice_loss": losses[1]}, on_step=False, on_epoch=True
        )
        if self.network.family == "vdp":
            divergence = self.network.kl_divergence()
            weight = self.configuration.kl_weight
            loss = loss + objective.tempered_divergence(divergence, self.images, target[0].numel(), weight)
            self.log("train/divergence", divergence, on_step=False, on_epoch=True)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} in epoch {self.current_epoch}")
        return loss

    def validation_step(self, sample: Sample, _: int) -> None:
        """Dice of every structure of one patient's whole volume."""
        mean, _ = sliding_window(
            sample["image"].cpu().numpy(), self.network, self.configuration.patch_shape, device=self.device
        )
        labels, truth = mean.argmax(axis=0), sample["label"][0].cpu().numpy()
        structures = range(1, len(self.configuration.structures) + 1)
        self._dice.append(np.array([dice(labels == index, truth == index) for index in structures]))

    def on_validation_epoch_end(self) -> None:
        """Log the means over patients."""
        mean = np.stack(self._dice).mean(axis=0)
        self._dice.clear()
        values = {f"val/dice_{index}": value for index, value in enumerate(mean, start=1)}
        self.log_dict({key: float(value) for key, value in values.items()})
        self.log("val/dice", float(mean.mean()), prog_bar=True)

    def configure_optimizers(self) -> dict:
        """AdamW with a short warm-up and a cosine to zero; variances and norms are not decayed."""
        decayed = [p for p in self.network.parameters() if p.dim() > 1]
        others = [p for p in self.network.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": self.configuration.weight_decay}, {"params": others}]
        optimizer = torch.optim.AdamW(groups, lr=self.configuration.learning_rate, weight_decay=0.0)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _warm_cosine(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _warm_cosine(step: int, steps: int) -> float:
    """Factor of the learning rate: linear over the first 3 % of the steps, then half a cosine."""
    warm = max(steps * 0.03, 1)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(steps - warm, 1), 1)))
