"""The section "Results": the numbers of each structure, and how well they are calibrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from TrustSegLib.contract import calibration_sentence, is_map_calibrated, is_structure_calibrated
from TrustSegModule.panels import table
from TrustSegModule.panels.text import (
    decision_title,
    interval,
    map_value,
    number,
    percent,
    two_line_interval,
)
from TrustSegModule.review.decisions import STRUCTURE, Item, Review
from TrustSegModule.review.edits import edited_volumes

SWATCH = 12
"""Edge of the square in the structure's color, in pixels of a common screen."""
EDITED_MARK = "*"
"""After numbers that do not belong to the current mask."""
NAME, VOLUME, UNCERTAINTY, INTERVAL, QUALITY = range(5)
SHOWN_ORDER = (NAME, VOLUME, INTERVAL, QUALITY, UNCERTAINTY)
UNCERTAIN = (INTERVAL, QUALITY, UNCERTAINTY)


class ResultsPanel:
    """Drives the widgets of the section "Results".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    on_structure : callable
        Called with the label of the structure that the user has chosen.
    on_double_click : callable
        Called with the label of the structure that the user wants to see.
    """

    def __init__(
        self, ui, on_structure: Callable[[int], None], on_double_click: Callable[[int], None]
    ) -> None:
        self._ui, self._table, self._on_structure = ui, ui.resultsTable, on_structure
        self._labels: list[int] = []
        table.set_columns(self._table, _titles("90", calibrated=True))
        header = self._table.horizontalHeader()
        for place, column in enumerate(SHOWN_ORDER):
            header.moveSection(header.visualIndex(column), place)
        self._table.itemSelectionChanged.connect(self._on_selection)
        self._table.itemDoubleClicked.connect(lambda item: on_double_click(self._labels[item.row()]))
        self.show(None, {})

    def show(
        self,
        report: dict[str, Any] | None,
        colors: dict[str, tuple[float, float, float]],
        review: Review | None = None,
        concealed: bool = False,
    ) -> None:
        """Fill the table.

        Parameters
        ----------
        report : dict or None
            As `TrustSegLib.report.report_json` makes it; None for no result.
        colors : dict of str to (float, float, float)
            Colors of the structures by name, 0 to 1.
        review : Review, optional
            The user's review of the result.
        concealed : bool
            Whether everything about uncertainty stays hidden.
        """
        self._ui.resultsSection.setVisible(report is not None)
        rows = report["structures"] if report else []
        chosen = table.selected_row(self._table)
        blocked = self._table.blockSignals(True)
        self._table.setRowCount(len(rows))
        self._labels = [row["label"] for row in rows]
        edited = edited_volumes(review) if review is not None else {}
        for line, row in enumerate(rows):
            color, edited_ml = colors.get(row["name"]), edited.get(row["label"])
            self._show_row(line, row, color, edited_ml, report["calibration"])
            if review is not None:
                self._show_decision(line, review)
        self._table.blockSignals(blocked)
        table.select_quietly(self._table, chosen if rows else None)
        self._show_columns(report, concealed)
        self._show_texts(report, bool(edited), concealed)
        table.fit_height(self._table)

    def follow_choice(self, item: Item | None) -> None:
        """Clear the selection when something other than a structure is chosen."""
        if item is None or item.kind != STRUCTURE:
            table.select_quietly(self._table, None)

    def _show_row(
        self,
        line: int,
        row: dict[str, Any],
        color,
        edited_ml: float | None,
        calibration: dict[str, Any] | None,
    ) -> None:
        mark, bounds = "" if edited_ml is None else EDITED_MARK, row["volume_interval_ml"]
        # In two lines: in one, it would leave too little space for the name.
        reach = (
            _missing(row, "volumes", calibration) if bounds is None else two_line_interval(bounds, 2) + mark
        )
        quality = (
            _missing(row, "quality", calibration) if row["expected_dsc"] is None else _expected(row) + mark
        )
        uncertainty = map_value(row["mean_uncertainty"], 1, is_map_calibrated(calibration)) + mark
        volume = row["volume_ml"] if edited_ml is None else edited_ml
        warning = self._table.style().standardIcon(qt.QStyle.SP_MessageBoxWarning) if row["flag"] else None
        for column, text, tip, icon in (
            (NAME, row["name"], row["name"], _swatch(color) if color else None),
            (VOLUME, number(volume, 2), "", None),
            (INTERVAL, reach, _automatic_mask_note(mark), None),
            (QUALITY, quality, row["flag"] or _automatic_mask_note(mark), warning),
            (UNCERTAINTY, uncertainty, _automatic_mask_note(mark), None),
        ):
            table.set_cell(self._table, line, column, text, tip, icon)

    def _show_decision(self, line: int, review: Review) -> None:
        """Below the name: a column of its own would leave no space for the name."""
        item, cell = Item(STRUCTURE, self._labels[line]), self._table.item(line, NAME)
        decision = decision_title(review.decision(item))
        if decision:
            cell.setText(f"{cell.text()}\n{decision}")
        cell.setToolTip("\n".join(filter(None, [cell.toolTip(), review.comment(item)])))

    def _show_columns(self, report: dict[str, Any] | None, concealed: bool) -> None:
        """Hide concealed columns, and those without numbers."""
        rows = report["structures"] if report else []
        calibration = report["calibration"] if report else None
        # Without a result nothing is shown.
        calibrated = report is None or is_map_calibrated(calibration)
        table.set_titles(self._table, _titles(level_percent(calibration), calibrated))
        for column in UNCERTAIN:
            self._table.setColumnHidden(column, concealed)
        has_quality = any(row["expected_dsc"] is not None or row["flag"] for row in rows)
        self._table.setColumnHidden(QUALITY, concealed or not has_quality)

    def _show_texts(self, report: dict[str, Any] | None, edited: bool, concealed: bool) -> None:
        sentences = [caution(report)] if report and not concealed else []
        if edited and not concealed:
            sentences.append(f"{EDITED_MARK} {_automatic_mask_note(EDITED_MARK)}")
        self._ui.cautionLabel.setText("\n".join(filter(None, sentences)))
        record = calibration_record(report["calibration"]) if report and not concealed else ""
        self._ui.calibrationLabel.setText(record)
        self._ui.calibrationLabel.setVisible(bool(record))

    def _on_selection(self) -> None:
        row = table.selected_row(self._table)
        if row is not None:
            self._on_structure(self._labels[row])


def _titles(level: str, calibrated: bool) -> list[tuple[str, str]]:
    """Title and tool tip of each column, in the order of the constants."""
    uncertainty = (
        (_("Uncert.\n(%)"), _("Mean probability that a voxel's label is wrong."))
        if calibrated
        else (_("Uncert.\n(raw)"), _("Mean raw uncertainty. Not calibrated: it is no probability."))
    )
    return [
        (_("Structure"), _("Double-click one to take the views to its middle.")),
        (_("Volume\n(ml)"), _("Of the current mask.")),
        uncertainty,
        (_("{level} %\ninterval").format(level=level), _("Where the true volume in ml is expected.")),
        (_("Expected\nDSC"), _("Overlap with an expert's mask that is expected, 0 to 1, and its interval.")),
    ]


def _expected(row: dict[str, Any]) -> str:
    bounds = row.get("expected_dsc_interval")
    text = number(row["expected_dsc"], 2)
    return text if bounds is None else f"{text}\n{interval(bounds, 2)}"


def _missing(row: dict[str, Any], part: str, calibration: dict[str, Any] | None) -> str:
    """Text of a figure that a structure does not have: at all, or of this image."""
    calibrated = is_structure_calibrated(calibration, part, row["label"])
    return _("left out") if calibrated else _("not\ncalibrated")


def _automatic_mask_note(mark: str) -> str:
    return _("Of the automatic mask, which was edited since.") if mark else ""


def _swatch(color: tuple[float, float, float]):
    pixmap = qt.QPixmap(SWATCH, SWATCH)
    pixmap.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(pixmap)


def caution(report: dict[str, Any]) -> str:
    """Return flags, warnings and what is not calibrated, which come before the numbers."""
    check = _("Check {name}: {flag}")
    flags = [check.format(name=row["name"], flag=row["flag"]) for row in report["structures"] if row["flag"]]
    sentences = [*flags, *report["case"]["warnings"]]
    return "\n".join(filter(None, [*sentences, calibration_sentence(report["calibration"])]))


def calibration_record(calibration: dict[str, Any] | None) -> str:
    """Return on how many patients the numbers were calibrated, and how accurate they were.

    Only of what is calibrated: `caution` says what is not.
    """
    if calibration is None:
        return ""
    sentences = [
        *_volumes(calibration.get("volumes") or []),
        *_quality(calibration.get("quality") or []),
        *_error(calibration.get("error_probability")),
    ]
    if not sentences:
        return ""
    record = calibration["record"]
    text = _("Calibrated on {patients} patients ({cases} images).")
    return " ".join([text.format(patients=record["patients"], cases=record["cases"]), *sentences])


def level_percent(calibration: dict[str, Any] | None) -> str:
    """Return the level of the volume intervals in percent; 90 where there are none."""
    volumes = (calibration or {}).get("volumes") or [{"level": 0.9}]
    return percent(volumes[0]["level"], 0)


def _volumes(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    text = _("{level} % intervals held the true volume in {share} % of cases.")
    level = percent(rows[0]["level"], 0)
    return [text.format(level=level, share=_range([row["coverage"] for row in rows]))]


def _quality(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    text = _("Expected DSC was off by {error} on average; its interval held in {share} % of cases.")
    error = sum(row["mean_absolute_error"] for row in rows) / len(rows)
    return [text.format(error=f"{error:.2f}", share=_range([row["coverage"] for row in rows]))]


def _error(part: dict[str, Any] | None) -> list[str]:
    if part is None:
        return []
    text = _("Error probability was off by {error} % (ECE).")
    return [text.format(error=percent(part["ece_after"], 1))]


def _range(shares: Sequence[float]) -> str:
    """Return one percentage, or the smallest and the largest."""
    low, high = percent(min(shares), 0), percent(max(shares), 0)
    return low if low == high else interval((100 * min(shares), 100 * max(shares)), 0)
