"""`trustseg segment`: masks, uncertainty maps, pictures and reports of images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.bundle import Bundle, find_bundle, load_bundle, load_known_models
from TrustSegLib.cases.case_files import write_case
from TrustSegLib.cases.failures import one_case
from TrustSegLib.cases.image_folders import may_hold_dicom_images
from TrustSegLib.cases.outputs import check_targets, private_folder, publish
from TrustSegLib.cases.targets import Target, check_outside_series
from TrustSegLib.cases.unchanged import Wanted
from TrustSegLib.commands.console import EXIT_FIXABLE, ProgressBar, print_error, print_json
from TrustSegLib.commands.summary import Batch, print_summary
from TrustSegLib.contract import (
    AUTO,
    DEFAULT_MAP,
    DICOM_MAP_FILE,
    DICOM_REPORT_FILE,
    DICOM_SEGMENTATION_FILE,
    DICOM_STRUCTURES_FILE,
)
from TrustSegLib.dicom_output import check_dicom_output, write_dicom
from TrustSegLib.errors import OptionError, TrustSegError
from TrustSegLib.imaging import Volume, read_volume
from TrustSegLib.inference import (
    Choice,
    Roi,
    SegmentationResult,
    SegmentOptions,
    choose_device,
    choose_model,
    segment,
)
from TrustSegLib.inference.memory import within_memory
from TrustSegLib.report.batch_tables import check_tables

LARGEST_SEED = 2**63 - 1
"""Largest seed of PyTorch's generator."""
DICOM_FILES = {
    "dicom_segmentation": DICOM_SEGMENTATION_FILE,
    "dicom_uncertainty": DICOM_MAP_FILE,
    "dicom_report": DICOM_REPORT_FILE,
}
"""Files that `--dicom-seg` adds to a report."""
CONTOUR_FILES = {"dicom_structures": DICOM_STRUCTURES_FILE}
"""Files that `--rtstruct` adds."""


class Models:
    """The model of a run: that of a name or path, or of "auto", for each image the one that fits it."""

    def __init__(self, name_or_path: str) -> None:
        self.is_chosen = name_or_path == AUTO
        if self.is_chosen:
            self._bundles, self._unusable = load_known_models()
        else:
            self._bundles, self._unusable = [load_bundle(find_bundle(name_or_path))], {}

    @property
    def sha256(self) -> dict[str, str]:
        """SHA-256 by name; empty for a model that cannot be used."""
        usable = {bundle.description.name: bundle.sha256 for bundle in self._bundles}
        return dict.fromkeys(self._unusable, "") | usable

    def of(
        self, volume: Volume, options: SegmentOptions, progress: ProgressBar
    ) -> tuple[Bundle, Choice | None]:
        """Return the model for an image, and how it was chosen."""
        if not self.is_chosen:
            return self._bundles[0], None
        has_roi = options.roi is not None
        choice = choose_model(
            volume, self._bundles, unusable=self._unusable, has_roi=has_roi, progress=progress
        )
        return choice.model, choice


@dataclass(frozen=True)
class Job:
    """What all images of a run have in common."""

    models: Models
    options: SegmentOptions
    seed: int
    command: str
    as_json: bool
    quiet: bool
    more_files: dict[str, str]
    """DICOM files, which not every run writes, by kind."""
    redo: bool

    @property
    def wanted(self) -> Wanted:
        """What an earlier run may have done already."""
        models = self.models
        return Wanted(models.sha256, models.is_chosen, self.options, self.seed, self.more_files)


def run(arguments: argparse.Namespace, targets: Sequence[Target]) -> int:
    """Segment each image; if one fails, the others are still segmented.

    Parameters
    ----------
    arguments : Namespace
        The parsed command line.
    targets : sequence of Target
        The images and where their results go, from `plan_targets`.

    Returns
    -------
    int
        Exit code: 0, or 2 when an image failed.

    Raises
    ------
    TrustSegError
        Before the work: an option, the model or the output folder is wrong. Or the only image failed
        (`UnexpectedError` if that is a bug).
    """
    job = _job(arguments, targets)
    with private_folder(arguments.output) as private:
        check_targets(targets, arguments.overwrite)
        output = Path(arguments.output)
        if targets[0].folder == output:  # A batch has one folder for each image inside it.
            _segment_image(job, targets[0], private / "0", output)
            return 0
        check_tables(output, arguments.overwrite)
        return _segment_batch(job, targets, private, output)


def _job(arguments: argparse.Namespace, targets: Sequence[Target]) -> Job:
    options = _options(arguments)
    more_files = {
        **(DICOM_FILES if arguments.dicom_seg else {}),
        **(CONTOUR_FILES if arguments.rtstruct else {}),
    }
    if more_files:
        check_dicom_targets(targets)
    return Job(
        models=Models(arguments.model),
        options=options,
        seed=arguments.seed,
        command=arguments.command_line,
        as_json=arguments.json,
        quiet=arguments.quiet,
        more_files=more_files,
        redo=arguments.redo,
    )


def _segment_batch(job: Job, targets: Sequence[Target], private: Path, output: Path) -> int:
    batch = Batch(output)
    try:
        for number, target in enumerate(targets):
            _add_case(batch, job, target, private / str(number), output)
    finally:
        # Whatever stops a batch: the tables list the cases that are done.
        batch.write()
    if not job.quiet:
        batch.print_cases(job.as_json)
    return EXIT_FIXABLE if batch.failures else 0


def _add_case(batch: Batch, job: Job, target: Target, staging: Path, output: Path) -> None:
    done = None if job.redo else job.wanted.done(target.image, target.folder)
    if done is not None:
        batch.add_unchanged(done, target.folder)
        if job.as_json:
            print_json({**done, "folder": str(target.folder)})
        return
    try:
        batch.add(_segment_image(job, target, staging, output), target.folder)
    except TrustSegError as error:
        batch.add_failure(target.image, str(error))
        print_error(str(error), job.as_json, image=str(target.image))


def _segment_image(job: Job, target: Target, staging: Path, output: Path) -> dict[str, object]:
    with one_case(target.image, output):
        volume = read_volume(target.image)
        result, bundle = _result(job, target, volume)
        staging.mkdir()
        report = _write_results(job, target, volume, result, bundle, staging)
        publish(staging, target.folder)
    if job.as_json:
        print_json({**report, "folder": str(target.folder)})
    elif not job.quiet:
        print_summary(result, target.image, target.folder, list(job.more_files.values()))
    return report


def _result(job: Job, target: Target, volume: Volume) -> tuple[SegmentationResult, Bundle]:
    """The result of an image, and the model that has made it."""
    with ProgressBar(target.image.name, shown=not (job.as_json or job.quiet)) as progress:
        bundle, choice = job.models.of(volume, job.options, progress)
        result = within_memory(
            segment,
            volume,
            bundle,
            job.options,
            # The same for each image, so that its result does not depend on earlier images.
            seed=job.seed,
            announce=progress.say,
            progress=progress,
            planned=progress.plan,
            choice=choice,
        )
    return result, bundle


def _write_results(
    job: Job, target: Target, volume: Volume, result: SegmentationResult, bundle: Bundle, staging: Path
) -> dict[str, object]:
    description = bundle.description
    if job.more_files:
        write_dicom(result, description, target.image, staging, tuple(job.more_files.values()))
    return write_case(
        staging,
        volume,
        result,
        description,
        image_path=target.image,
        command=job.command,
        more_files=job.more_files,
    )


def _options(arguments: argparse.Namespace) -> SegmentOptions:
    names = [name.strip() for name in arguments.maps.split(",") if name.strip()]
    options = SegmentOptions(
        device=arguments.device,
        # The default map is always computed, for the picture and the mean uncertainties.
        maps=tuple(dict.fromkeys([DEFAULT_MAP, *names])),
        roi=Roi.parse(arguments.roi) if arguments.roi is not None else None,
        batch_size=arguments.batch_size,
        overlap=arguments.overlap,
        precision=arguments.precision,
    )
    choose_device(options.device)
    if not 0 <= arguments.seed <= LARGEST_SEED:
        raise OptionError(f"seed {arguments.seed} is not valid; give a number from 0 to {LARGEST_SEED}")
    return options


def check_dicom_targets(targets: Sequence[Target]) -> None:
    """Check, before the work, that every image is a DICOM series, and that no result goes into its folder.

    Whether the slices of a series make an image is not checked here: a damaged or unreadable series fails
    when it is read.

    Raises
    ------
    OptionError
        highdicom is not installed; an image is not a DICOM series; or results would go into the folder of one
        of the series or below it.
    """
    images = [target.image for target in targets]
    check_dicom_output(image for image in images if not may_hold_dicom_images(image))
    check_outside_series(targets, "DICOM results")
