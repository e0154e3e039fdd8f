"""Find the anatomy of a small atlas in a larger scan, by registration that checks its own result."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from scipy import fft, ndimage

from TrustSegLib.imaging.grid import Grid
from TrustSegLib.imaging.volume import Volume, orient

SEARCH_MM, FINE_MM = 8.0, 4.0
"""Voxels of the search over the whole scan, and of the registration after it."""
STARTS = 4
"""Places of the search from which the registration starts."""
AFFINE_STARTS = 2
"""Beside the first, how many of these are registered to the end."""
CLEAR_SIMILARITY = 0.6
"""Similarity of the first from which on no other start is tried."""
LEAST_SIMILARITY = 0.48
"""Least similarity of scan and atlas, see `Location.similarity`: below it, nothing was found."""
LEAST_OVERLAP = 0.4
"""Least share of the atlas that must lie in the scan."""
SCALES = (0.72, 1.35)
"""Least and largest stretch of the atlas along any direction: heads of children and of large adults."""

_TILT = np.radians(25)  # of the searched rotations: the registration finds what lies between them
_CONTENT = 0.04  # of the atlas's largest value: above it is anatomy
_SIZES = (0.84, 0.96)  # of the searched anatomy
_PEAKS = 3  # of each rotation and size
_APART_MM = 12.0  # translations of different starts
_BINS = 32
_SHARE = 0.35  # of the voxels that the registration samples
_SEED = 20
_WINDOW = 5  # voxels along an axis of a neighborhood in which contrasts are compared
_FLAT = 1e-3  # spread of a scaled intensity below which there is no contrast
_REGISTRATION_PARTS = 3  # of the progress: a registration takes about as long as so many parts of the search

StepCallback = Callable[[int, int], bool]


@dataclass(frozen=True, eq=False)
class Location:
    """Where an atlas lies in a scan.

    Attributes
    ----------
    matrix : np.ndarray
        `(4, 4)`, from the atlas to the scan, both LPS mm.
    similarity : float
        Mean over the atlas of the correlation of scan and atlas in neighborhoods of 20 mm, -1 to 1. It does
        not depend on brightness, contrast or shading.
    overlap : float
        Share of the atlas that lies in the scan.
    problem : str or None
        Why the anatomy was not found, as a clause; None if it was.
    """

    matrix: np.ndarray
    similarity: float
    overlap: float
    problem: str | None = None

    @property
    def found(self) -> bool:
        """Whether the anatomy was found; else the matrix is of no use."""
        return self.problem is None

    @property
    def rotation(self) -> np.ndarray:
        """Rotation `(3, 3)` next to the matrix: its columns are the atlas's axes in the scan, LPS."""
        left, _, right = np.linalg.svd(self.matrix[:3, :3])
        return left @ right

    def point(self, point: tuple[float, float, float]) -> np.ndarray:
        """Point `(3,)` of the scan for a point of the atlas, both LPS mm."""
        return self.matrix[:3, :3] @ np.asarray(point, dtype=float) + self.matrix[:3, 3]


def locate(volume: Volume, atlas: Volume, step: StepCallback | None = None) -> Location:
    """Find the anatomy of an atlas in a scan.

    A search by masked normalized correlation over all translations and some rotations, at 8 mm, gives the
    starts of a registration (Mattes mutual information, first rotation, translation and scale, then
    affine, at 4 mm). Everything works in patient coordinates, so that the order of the voxels in the file
    does not matter. The same scan gives the same result.

    Parameters
    ----------
    volume : Volume
        `(C, D, H, W)`; its first channel is compared with the atlas.
    atlas : Volume
        `(1, D, H, W)`, of the scan's kind of contrast; 0 outside the anatomy.
    step : callable, optional
        Called with the parts done and their number, from 0 on, after each part and in each iteration of the
        registration; True stops the work, and the location then has a problem.

    Returns
    -------
    Location
        With a `problem` if the anatomy is not in the scan; that is no error.

    References
    ----------
    Padfield, Masked object registration in the Fourier domain, IEEE Trans Image Process 21:2706 (2012).
    Mattes et al., PET-CT image registration in the chest using free-form deformations, IEEE Trans Med
    Imaging 22:120 (2003).
    """
    scan = _Scan.of(volume)
    if scan is None:
        return _nowhere("it has one intensity everywhere")
    steps = _Steps(step)
    try:
        steps.done(0)
        model = _Atlas(atlas)
        starts = _search(*scan.at(SEARCH_MM), model, steps)
        if not starts:
            return _nowhere("it does not hold enough of one")
        found = _checked(_registered(scan, model, starts, steps))
        steps.all_done()
    except _Stopped:
        return _nowhere("the search was stopped")
    return found


def _nowhere(problem: str) -> Location:
    return Location(np.eye(4), 0.0, 0.0, problem)


class _Stopped(Exception):
    """The callback has stopped the search."""


class _Steps:
    """Counts the parts of the search and the registration, and tells the callback."""

    def __init__(self, step: StepCallback | None) -> None:
        self._step = step
        self._done = 0
        registrations = STARTS + 1 + AFFINE_STARTS
        self._total = len(_SIZES) * len(list(_rotations())) + _REGISTRATION_PARTS * registrations
        self._stopped = False

    def stopped(self) -> bool:
        """Ask the callback whether to stop; once it has said so, it is not asked again."""
        if self._step is not None and not self._stopped:
            self._stopped = self._step(self._done, self._total)
        return self._stopped

    def done(self, parts: int) -> None:
        """So many parts more are done; raises `_Stopped`."""
        self._done += parts
        if self.stopped():
            raise _Stopped

    def all_done(self) -> None:
        """What was not needed is done, too."""
        self.done(self._total - self._done)


class _Scan:
    """The first channel of a scan, scaled to 0 to 1, on grids along the patient's axes."""

    def __init__(self, image: sitk.Image, low: float, high: float) -> None:
        self._image, self._low, self._high = image, low, high

    @classmethod
    def of(cls, volume: Volume) -> _Scan | None:
        """Scaled between percentiles .5 and 99.5 of what is not padding; None without any contrast."""
        # In one order of axes, so that the file's order does not decide which blocks of voxels are averaged.
        image = orient(volume.with_array(volume.array[:1]), "LPS").to_sitk()
        image = _shrunk(image, FINE_MM)
        values = sitk.GetArrayViewFromImage(image)
        content = values[values != values.min()]
        low, high = np.percentile(content, (0.5, 99.5)) if content.size else (0.0, 0.0)
        return cls(image, float(low), float(high)) if low < high else None

    def at(self, spacing: float) -> tuple[sitk.Image, np.ndarray]:
        """Scan on a grid of this spacing (mm), 0 beside it, and which voxels `(D, H, W)` lie in it."""
        image = _on_patient_grid(_shrunk(self._image, spacing), spacing, outside=np.nan)
        values = sitk.GetArrayFromImage(image)
        inside = np.isfinite(values)
        scaled = np.clip((values - self._low) / (self._high - self._low), 0, 1)
        return _like(np.where(inside, scaled, 0), image), inside


class _Atlas:
    """An atlas at the two spacings, 0 to 1, with the mask of its content."""

    def __init__(self, atlas: Volume) -> None:
        whole = sitk.Cast(atlas.to_sitk(), sitk.sitkFloat32)
        whole /= float(sitk.GetArrayViewFromImage(whole).max())
        grids = {spacing: _on_patient_grid(whole, spacing, outside=0.0) for spacing in (SEARCH_MM, FINE_MM)}
        # A voxel around it, for its outline.
        self.images = {spacing: sitk.ConstantPad(grid, [1] * 3, [1] * 3) for spacing, grid in grids.items()}
        self.masks = {spacing: image > _CONTENT for spacing, image in self.images.items()}
        content = np.argwhere(sitk.GetArrayViewFromImage(self.masks[FINE_MM]))
        middle = content.mean(axis=0)[::-1].tolist()
        self.center = np.array(self.images[FINE_MM].TransformContinuousIndexToPhysicalPoint(middle))


def _search(
    scan: sitk.Image, inside: np.ndarray, atlas: _Atlas, steps: _Steps
) -> list[sitk.Similarity3DTransform]:
    """Different places of the atlas at 8 mm, the most similar first."""
    values = sitk.GetArrayFromImage(scan)
    search = _MaskedCorrelation(_local_contrast(values, inside), inside)
    found = []
    for scale, angles in itertools.product(_SIZES, _rotations()):
        placed = _placed(atlas.center, scale, angles)
        template, mask, corner = _turned(atlas, placed)
        for shift in search.peaks(_local_contrast(template, mask), mask):
            moved = np.array(scan.TransformContinuousIndexToPhysicalPoint(shift[::-1].tolist())) - corner
            start = sitk.Similarity3DTransform(placed)
            start.SetTranslation(moved.tolist())
            found.append((_compared(start, atlas, scan, inside, SEARCH_MM).similarity, start))
        steps.done(1)
    found.sort(key=lambda one: -one[0])
    return _different([start for _, start in found])


def _different(starts: list[sitk.Similarity3DTransform]) -> list[sitk.Similarity3DTransform]:
    """The first starts that do not lie beside one before them."""
    kept = []
    for start in starts:
        place = np.array(start.GetTranslation())
        if all(np.linalg.norm(place - other.GetTranslation()) > _APART_MM for other in kept):
            kept.append(start)
    return kept[:STARTS]


def _placed(
    center: np.ndarray, scale: float, angles: tuple[float, float, float]
) -> sitk.Similarity3DTransform:
    """Scaled and turned about a center."""
    turn = sitk.Euler3DTransform()
    turn.SetRotation(*angles)
    transform = sitk.Similarity3DTransform()
    transform.SetCenter(center.tolist())
    transform.SetMatrix((scale * np.array(turn.GetMatrix())).tolist())
    return transform


def _rotations() -> Iterator[tuple[float, float, float]]:
    """Angles about x, y and z: none, and each axis alone both ways."""
    yield (0.0, 0.0, 0.0)
    for axis, sign in itertools.product(range(3), (-_TILT, _TILT)):
        yield tuple(sign * (axis == other) for other in range(3))


def _turned(atlas: _Atlas, turn: sitk.Transform) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The placed atlas at 8 mm: values and mask `(D, H, W)`, and its first voxel in LPS mm."""
    image, spacing = atlas.images[SEARCH_MM], SEARCH_MM
    reach = int(np.ceil(np.linalg.norm(image.GetSize()) / 2))
    corner = atlas.center - reach * spacing
    size, origin, steps = [2 * reach + 1] * 3, corner.tolist(), [spacing] * 3
    direction = np.eye(3).ravel().tolist()
    back = turn.GetInverse()
    values = sitk.Resample(image, size, back, sitk.sitkLinear, origin, steps, direction, 0.0)
    values = sitk.GetArrayFromImage(values)
    mask = ndimage.binary_dilation(values > _CONTENT, iterations=1)
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    first = np.array([part.start for part in box])[::-1]
    return values[box], mask[box], corner + first * spacing


class _MaskedCorrelation:
    """Normalized correlation of a scan `(D, H, W)` with templates at every shift, within both masks."""

    def __init__(self, scan: np.ndarray, inside: np.ndarray) -> None:
        self._scan, self._inside = scan.astype(np.float64), inside.astype(np.float64)

    def peaks(self, template: np.ndarray, mask: np.ndarray) -> list[np.ndarray]:
        """Indices `(3,)` in the scan, (z, y, x), of the template's first voxel where they correlate most."""
        value = self._values(template, mask)
        tops = value == ndimage.maximum_filter(value, 5, mode="wrap")
        order = np.argsort(-np.where(tops, value, -1).ravel(), kind="stable")[:_PEAKS]
        shifts = np.stack(np.unravel_index(order, value.shape), axis=1)
        behind = shifts >= self._scan.shape  # The correlation is circular: these are negative.
        return list(np.where(behind, shifts - np.array(value.shape), shifts).astype(float))

    def _values(self, template: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Correlation at each circular shift; 0 where too little of the template lies in the scan."""
        shape = [
            fft.next_fast_len(a + b - 1, real=True) for a, b in zip(self._scan.shape, mask.shape, strict=True)
        ]
        weight = mask.astype(np.float64)
        ours = [fft.rfftn(each, shape) for each in (self._inside, self._scan, self._scan**2)]
        theirs = [
            np.conj(fft.rfftn(each, shape)) for each in (weight, weight * template, weight * template**2)
        ]

        def correlated(first: int, second: int) -> np.ndarray:
            return fft.irfftn(ours[first] * theirs[second], shape)

        count = np.maximum(correlated(0, 0), 1e-9)
        sum_scan, sum_template = correlated(1, 0), correlated(0, 1)
        common = correlated(1, 1) - sum_scan * sum_template / count
        spread = (correlated(2, 0) - sum_scan**2 / count) * (correlated(0, 2) - sum_template**2 / count)
        enough = (count > LEAST_OVERLAP * weight.sum()) & (spread > (_FLAT * count) ** 2)
        return np.where(enough, common / np.sqrt(np.where(enough, spread, 1.0)), 0.0)


def _registered(
    scan: _Scan, atlas: _Atlas, starts: list[sitk.Similarity3DTransform], steps: _Steps
) -> Location:
    """The best of the registrations from the starts; the first alone if it leaves no doubt."""
    coarse, fine = scan.at(SEARCH_MM)[0], scan.at(FINE_MM)

    def compared(transform: sitk.Transform) -> Location:
        return _compared(transform, atlas, *fine, FINE_MM)

    def turned(start: sitk.Similarity3DTransform) -> sitk.Similarity3DTransform:
        return _optimized(start, atlas, coarse, SEARCH_MM, steps)

    def to_the_end(start: sitk.Similarity3DTransform) -> Location:
        return compared(_optimized(_affine(start), atlas, fine[0], FINE_MM, steps))

    first, *others = starts
    best = to_the_end(turned(first))
    if best.similarity > CLEAR_SIMILARITY:
        return best
    ranked = sorted(map(turned, others), key=lambda one: -compared(one).similarity)
    return max((best, *map(to_the_end, ranked[:AFFINE_STARTS])), key=lambda one: one.similarity)


def _affine(start: sitk.Similarity3DTransform) -> sitk.AffineTransform:
    transform = sitk.AffineTransform(3)
    transform.SetCenter(start.GetCenter())
    transform.SetMatrix(start.GetMatrix())
    transform.SetTranslation(start.GetTranslation())
    return transform


def _optimized(
    transform: sitk.Transform, atlas: _Atlas, scan: sitk.Image, spacing: float, steps: _Steps
) -> sitk.Transform:
    """Improve a transform from the atlas to the scan; as it was where the optimizer leaves the scan."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricFixedMask(sitk.Cast(atlas.masks[spacing], sitk.sitkUInt8))
    if spacing == FINE_MM:
        method.SetMetricSamplingStrategy(sitk.ImageRegistrationMethod.RANDOM)
        method.SetMetricSamplingPercentage(_SHARE, _SEED)
    method.SetInterpolator(sitk.sitkLinear)
    # Sums of several threads would depend on their order.
    method.SetNumberOfThreads(1)
    method.SetOptimizerAsRegularStepGradientDescent(spacing / 2, spacing / 60, 60, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    result = type(transform)(transform)
    method.SetInitialTransform(result, True)
    # An exception does not pass through ITK.
    method.AddCommand(sitk.sitkIterationEvent, lambda: method.StopRegistration() if steps.stopped() else None)
    try:
        method.Execute(atlas.images[spacing], scan)
    except RuntimeError:  # ITK's word for: too few samples map into the scan.
        result = transform
    finally:
        method.RemoveAllCommands()  # Each holds the method, and the method holds it.
    steps.done(_REGISTRATION_PARTS)
    return result


def _compared(
    transform: sitk.Transform, atlas: _Atlas, scan: sitk.Image, inside: np.ndarray, spacing: float
) -> Location:
    """How well the scan fits the atlas under a transform."""
    image = atlas.images[spacing]
    seen = sitk.GetArrayFromImage(sitk.Resample(scan, image, transform, sitk.sitkLinear, 0.0))
    valid = sitk.Resample(_like(inside, scan), image, transform, sitk.sitkLinear, 0.0)
    mask = sitk.GetArrayFromImage(atlas.masks[spacing]) > 0
    known = sitk.GetArrayFromImage(valid) > 0.99
    local = local_correlation(seen, sitk.GetArrayFromImage(image), known)
    counted = known & mask
    similarity = float(local[counted].mean()) if counted.any() else 0.0
    return Location(_matrix(transform), similarity, float(counted.sum() / mask.sum()))


def local_correlation(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Correlation of two arrays `(D, H, W)` in the neighborhood of each voxel; 0 where one has no contrast.

    Parameters
    ----------
    first, second : np.ndarray
        Values from 0 to 1.
    known : np.ndarray of bool
        Voxels that count.
    """
    mean = _local_mean(known)
    first, second = first.astype(float), second.astype(float)
    one, other = mean(first), mean(second)
    spread = np.sqrt(np.maximum(mean(first**2) - one**2, 0) * np.maximum(mean(second**2) - other**2, 0))
    flat = spread < _FLAT**2
    return np.where(flat, 0.0, (mean(first * second) - one * other) / np.where(flat, 1.0, spread))


def _local_contrast(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Values `(D, H, W)` less their mean in the neighborhood, in its standard deviations; 0 if unknown."""
    mean = _local_mean(known)
    values = values.astype(float)
    middle = mean(values)
    spread = np.sqrt(np.maximum(mean(values**2) - middle**2, 0))
    return np.where(known & (spread > _FLAT), (values - middle) / np.maximum(spread, 0.02), 0.0)


def _local_mean(known: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Mean of the known values in the neighborhood of each voxel."""
    share = np.maximum(ndimage.uniform_filter(known.astype(float), _WINDOW), 1e-6)
    return lambda values: ndimage.uniform_filter(np.where(known, values, 0.0), _WINDOW) / share


def _checked(location: Location) -> Location:
    """The location with its problem, if it has one."""
    stretch = np.linalg.svd(location.matrix[:3, :3], compute_uv=False)
    if location.similarity < LEAST_SIMILARITY:
        problem = f"largest similarity {location.similarity:.2f}, at least {LEAST_SIMILARITY:g} is needed"
    elif location.overlap < LEAST_OVERLAP:
        problem = f"only {100 * location.overlap:.0f} % of one would lie in it"
    elif stretch.min() < SCALES[0] or stretch.max() > SCALES[1]:
        problem = f"one would have to be stretched {stretch.min():.2f} to {stretch.max():.2f} times"
    else:
        return location
    return replace(location, problem=problem)


def _shrunk(image: sitk.Image, spacing: float) -> sitk.Image:
    """Mean of blocks of voxels that are clearly smaller than a spacing (mm), float32."""
    image = sitk.Cast(image, sitk.sitkFloat32)
    sizes = zip(image.GetSpacing(), image.GetSize(), strict=True)
    factors = [max(1, min(count, int(0.75 * spacing / step))) for step, count in sizes]
    return sitk.BinShrink(image, factors) if max(factors) > 1 else image


def _on_patient_grid(image: sitk.Image, spacing: float, outside: float) -> sitk.Image:
    """Resample to a grid along the patient's axes that covers an image."""
    corners = Grid.of(Volume.from_sitk(image)).corners()
    low = corners.min(axis=0)
    size = np.maximum(1, np.ceil((corners.max(axis=0) - low) / spacing - 1e-3)).astype(int)
    origin, steps = (low + spacing / 2).tolist(), [spacing] * 3
    direction = np.eye(3).ravel().tolist()
    return sitk.Resample(
        image, size.tolist(), sitk.Transform(), sitk.sitkLinear, origin, steps, direction, outside
    )


def _like(values: np.ndarray, reference: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.CopyInformation(reference)
    return image


def _matrix(transform: sitk.Transform) -> np.ndarray:
    """Homogeneous matrix `(4, 4)` of a linear transform."""
    matrix, center = np.eye(4), np.array(transform.GetCenter())
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = center + transform.GetTranslation() - matrix[:3, :3] @ center
    return matrix
