"""The front door of the library, for scripts and notebooks: `import TrustSegLib as ts`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from TrustSegLib import inference, networks
from TrustSegLib.bundle import Bundle, find_bundle, load_bundle, load_known_models
from TrustSegLib.contract import AUTO
from TrustSegLib.errors import ImageError
from TrustSegLib.imaging import Volume, read_volume
from TrustSegLib.imaging.grid import Roi
from TrustSegLib.inference import Progress, SegmentationResult, SegmentOptions
from TrustSegLib.inference.prediction import Model
from TrustSegLib.moments import ClassMoments, LogitMoments, readout_exact
from TrustSegLib.networks import FamilyOptions, NetworkSpec

_IMAGE_TYPES = (
    "a path, a Volume, a SimpleITK image, or a NumPy array (D, H, W) with spacing= and orientation="
)


def segment(
    image: str | os.PathLike[str] | Volume | sitk.Image | np.ndarray,
    model: str | os.PathLike[str] | Model = AUTO,
    *,
    spacing: Sequence[float] | None = None,
    orientation: str | None = None,
    origin: Sequence[float] | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **options: Any,
) -> SegmentationResult:
    """Segment one image in one pass, with its uncertainty.

    Parameters
    ----------
    image : path, Volume, SimpleITK.Image or np.ndarray
        A path names a NIfTI, NRRD or MetaImage file, or the folder of one DICOM series. An array is
        (D, H, W), that is z, y, x, or (C, D, H, W) with channels; it needs `spacing` and `orientation`.
    model : str, path or model
        Name of a bundled or added model, path of a model bundle, or what `load_model` returned. "auto" is the
        one that fits the image; why stands in `provenance["choice"]` of the result.
    spacing : sequence of 3 floats, optional
        Of an array: distance of neighboring voxels along x, y, z, in mm.
    orientation : str, optional
        Of an array: where its x, y and z axes point in the patient, such as "RAS" (nibabel's
        convention; "LPS" for an ITK image with identity direction). It is never assumed. For an oblique
        image, give a `Volume`.
    origin : sequence of 3 floats, optional
        Of an array: center of the first voxel along x, y, z, in mm, LPS; (0, 0, 0) if None. It moves the
        result and a region of interest in mm, and changes nothing else.
    progress : callable, optional
        Called with `Progress(stage, done, total)`.
    cancelled : callable, optional
        Asked before every stage and batch; True stops the work.
    **options
        `device` ("auto", "cpu", "cuda", "cuda:N"), `maps` (a name or several: "error_probability",
        "predictive_variance", "entropy", "epistemic", "aleatoric"), `roi` (a `Roi`, six numbers
        x0, x1, y0, y1, z0, z1 in RAS mm, or text as on the command line), `batch_size`, `overlap`,
        `precision` ("float32", "bfloat16") and `memory_gb`; see `SegmentOptions` for the defaults.

    Returns
    -------
    SegmentationResult
        On the image's own grid: `labels` and `maps` (`Volume`), `structures`, `regions`, `case`.

    Raises
    ------
    TypeError
        An argument is of a type that cannot be used, or an option is unknown; the message says what can be.
    TrustSegError
        The image, the model or the value of an option cannot be used; in one line, with what to do.
    Cancelled
        When `cancelled` said so.

    Examples
    --------
    >>> import TrustSegLib as ts
    >>> result = ts.segment("scan.nii.gz", "hippocampus-t1")
    >>> [structure.name for structure in result.structures]
    ['Anterior hippocampus', 'Posterior hippocampus']

    An array has no geometry of its own:

    >>> volume = ts.read_volume("scan.nii.gz")
    >>> array = volume.array[0]  # (D, H, W)
    >>> again = ts.segment(array, "hippocampus-t1", spacing=(1, 1, 1), orientation=volume.orientation)
    >>> bool((again.labels.array == result.labels.array).all())
    True
    """
    geometry = {"spacing": spacing, "orientation": orientation, "origin": origin}
    geometry = {name: value for name, value in geometry.items() if value is not None}
    volume, settings, choice = _volume(image, geometry), _options(options), None
    if model == AUTO:
        models, unusable = load_known_models()
        choice = inference.choose_model(
            volume,
            models,
            unusable=unusable,
            has_roi=settings.roi is not None,
            progress=progress,
            cancelled=cancelled,
        )
        model = choice.model
    return inference.segment(
        volume, _model(model), settings, progress=progress, cancelled=cancelled, choice=choice
    )


def load_model(model: str | os.PathLike[str]) -> Bundle:
    """Load and verify a model, to segment several images with it or to look into it.

    Parameters
    ----------
    model : str or path
        Name of a bundled or added model (`known_models` lists them), or path of a model bundle: a folder,
        or a `.trustseg` file.

    Returns
    -------
    Bundle
        With `description`, `network()`, `calibration()`, `metrics()` and `card()`.

    Raises
    ------
    TypeError
        If `model` is neither a name nor a path.
    BundleError
        If there is no such model, or it is damaged.

    Examples
    --------
    >>> import TrustSegLib as ts
    >>> model = ts.load_model("hippocampus-t1")
    >>> model.description.modality, model.description.family
    ('MR', 'vdp')
    """
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"a model is loaded by its name or its path, not {type(model).__name__}")
    return load_bundle(find_bundle(model))


def build(
    spec: NetworkSpec | None = None, family: str = "vdp", propagation: str = "exact", **values: Any
) -> nn.Module:
    """Build an untrained network of a family, from a specification or from keywords.

    Parameters
    ----------
    spec : NetworkSpec, optional
        The architecture; or give its values as keywords.
    family : str
        "vdp", "deterministic", "mc_dropout", "ensemble", "bayes_by_backprop", "supernet" or
        "variance_head".
    propagation : str
        Of "vdp": "taylor", "exact" or "correlated".
    **values
        Values of `NetworkSpec`, such as `classes=3, filters=(12, 24, 48)`, if `spec` is None; and options of
        the family, such as `members=5` of an ensemble (see `FamilyOptions`).

    Returns
    -------
    nn.Module
        In training mode, on the CPU; with `class_moments`.

    Raises
    ------
    TypeError
        `spec` is not a `NetworkSpec`, or its values are given a second time.
    OptionError
        The family, a key or a value is not valid, or they do not fit each other.

    Examples
    --------
    >>> import TrustSegLib as ts
    >>> network = ts.build(classes=3, filters=(8, 16))
    >>> network.family, network.size_divisor
    ('vdp', 2)
    >>> ensemble = ts.build(network.spec, family="ensemble", members=2)
    """
    known = {field.name for field in fields(FamilyOptions)}
    options = {name: value for name, value in values.items() if name in known}
    architecture = {name: value for name, value in values.items() if name not in known}
    if spec is None:
        spec = NetworkSpec.from_dict(architecture)
    elif not isinstance(spec, NetworkSpec):
        raise TypeError(
            f"spec is a NetworkSpec, not {type(spec).__name__}; or leave it out and give keywords, "
            "such as build(classes=3, filters=(12, 24, 48))"
        )
    elif architecture:
        raise TypeError(f"{next(iter(architecture))}: give it in the NetworkSpec or leave the spec out")
    return networks.build(spec, family, propagation, **options)


def class_moments(network: nn.Module, image: Tensor) -> ClassMoments:
    """Pass a batch through a network and return mean and variance of the class probabilities.

    The network works as at inference (evaluation mode, no gradients) and is left as it was.

    Parameters
    ----------
    network : nn.Module
        Of any family (`build`, or the `network()` of a model); or one of your own whose last layer is a
        `layers.ClassConvolution`.
    image : Tensor
        (B, C, D, H, W), or (B, C, H, W) for a planar network, floating point, on the network's device and
        normalized as the network was trained.

    Returns
    -------
    ClassMoments
        `mean` and `variance`, both (B, K, D, H, W).

    Raises
    ------
    TypeError
        An argument is of a type that cannot be used; the message says what can be.
    ImageError
        The image's shape does not fit the network.

    Examples
    --------
    >>> import torch
    >>> import TrustSegLib as ts
    >>> mean, variance = ts.class_moments(ts.build(classes=3), torch.randn(1, 1, 16, 16, 16))
    >>> mean.shape
    torch.Size([1, 3, 16, 16, 16])
    """
    if not isinstance(network, nn.Module):
        remedy = "; use model.network()" if isinstance(network, Bundle) else ""
        raise TypeError(
            f"a network is an nn.Module, such as build returns, not {type(network).__name__}{remedy}"
        )
    _check_batch(network, image)
    with _evaluating(network), torch.no_grad():
        if hasattr(network, "class_moments"):
            return network.class_moments(image)
        output = network(image)
    if not isinstance(output, LogitMoments):
        raise TypeError(
            f"the network returns {type(output).__name__}, not moments of class logits; "
            "end it with layers.ClassConvolution, or give it a method class_moments"
        )
    return readout_exact(output)


def _volume(image: object, geometry: Mapping[str, Any]) -> Volume:
    """The image with its geometry, whatever it was given as."""
    if isinstance(image, np.ndarray):
        if missing := [name for name in ("spacing", "orientation") if name not in geometry]:
            raise TypeError(
                f"a NumPy array has no geometry: give {' and '.join(missing)} as well, for example "
                'spacing=(1.0, 1.0, 1.2), along x, y, z in mm, and orientation="RAS", where x, y, z point'
            )
        return Volume.from_array(image, **geometry)
    if not isinstance(image, (str, os.PathLike, Volume, sitk.Image)):
        raise TypeError(f"an image is {_IMAGE_TYPES}, not {type(image).__name__}")
    if geometry:
        raise TypeError(f"{next(iter(geometry))} is for NumPy arrays; this image has its own: leave it out")
    if isinstance(image, sitk.Image):
        if image.GetDimension() != 3:
            raise ImageError(f"a {image.GetDimension()}D SimpleITK image; give a 3D one")
        return Volume.from_sitk(image)
    return image if isinstance(image, Volume) else read_volume(image)


def _model(model: object) -> Model:
    if isinstance(model, (str, os.PathLike)):
        return load_model(model)
    if all(hasattr(model, name) for name in ("description", "sha256", "network", "calibration")):
        return model
    remedy = "; a network alone does not say which images it is for" if isinstance(model, nn.Module) else ""
    raise TypeError(
        f"a model is a name such as 'hippocampus-t1', a path, or what load_model returns, "
        f"not {type(model).__name__}{remedy}"
    )


def _options(values: Mapping[str, Any]) -> SegmentOptions:
    known = [field.name for field in fields(SegmentOptions)]
    for name in values:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"use any of: {', '.join(known)}"
            raise TypeError(f"segment takes no option {name!r}; {hint}")
    readers = {
        "device": _device,
        "maps": _map_names,
        "roi": _roi,
        "precision": _text,
        "batch_size": _whole_number,
    }
    return SegmentOptions(**{name: readers.get(name, _number)(name, values[name]) for name in values})


def _device(name: str, value: object) -> str:
    return str(value) if isinstance(value, torch.device) else _text(name, value)


def _map_names(name: str, value: object) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(each, str) for each in names):
        raise _wrong(name, "a name such as 'entropy', or a list of names", value)
    return tuple(names)


def _roi(name: str, value: object) -> Roi | None:
    if value is None or isinstance(value, Roi):
        return value
    if isinstance(value, str):
        return Roi.parse(value)
    if not isinstance(value, (Sequence, np.ndarray)) or not all(isinstance(bound, Real) for bound in value):
        raise _wrong(name, "six numbers x0, x1, y0, y1, z0, z1 in RAS mm, or a Roi", value)
    return Roi(tuple(float(bound) for bound in value))


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a name", value)
    return value


def _number(name: str, value: object) -> Real:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise _wrong(name, "a number", value)
    return value


def _whole_number(name: str, value: object) -> int:
    if not isinstance(value, Integral):
        raise _wrong(name, "a whole number", value)
    return int(value)


def _wrong(name: str, right: str, value: object) -> TypeError:
    return TypeError(f"{name} is {right}, not {type(value).__name__}")


def _check_batch(network: nn.Module, image: object) -> None:
    if not isinstance(image, Tensor) or not image.is_floating_point():
        found = f"a tensor of {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
        raise TypeError(f"class_moments takes a floating-point torch tensor (B, C, D, H, W), not {found}")
    shape = tuple(image.shape)
    if (spec := getattr(network, "spec", None)) is not None:
        axes = "(B, C, D, H, W)" if spec.dimensions == 3 else "(B, C, H, W)"
        if image.dim() != spec.dimensions + 2 or shape[1] != spec.in_channels:
            raise ImageError(
                f"an image of shape {shape}: the network takes {axes} with C = {spec.in_channels}; "
                "reshape it, or build the network for it"
            )
    divisor = getattr(network, "size_divisor", 1)
    if any(size % divisor for size in shape[2:]):
        raise ImageError(
            f"an image of shape {shape}: the network takes sizes that are multiples of {divisor}; "
            "pad or crop it"
        )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards each layer is in the mode that it was in."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
