"""The lower part of the panel: what was found, in numbers."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

SWATCH = 12
"""Edge of the square in the structure's color, in pixels of a common screen."""


class ResultsPanel:
    """Drives the widgets of the section "Results".

    Parameters
    ----------
    ui : object
        The widgets of `TrustSeg.ui` by name.
    """

    def __init__(self, ui) -> None:
        self._ui, self._table = ui, ui.resultsTable
        self._table.setHorizontalHeaderLabels([_("Structure"), _("Volume (ml)"), _("Uncertainty (%)")])
        self._table.horizontalHeaderItem(2).setToolTip(_("Mean probability that a voxel's label is wrong."))
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        self._table.verticalHeader().setVisible(False)
        for set_policy in (self._table.setHorizontalScrollBarPolicy, self._table.setVerticalScrollBarPolicy):
            set_policy(qt.Qt.ScrollBarAlwaysOff)
        self.show(None, {})

    def show(self, report: dict[str, Any] | None, colors: dict[str, tuple[float, float, float]]) -> None:
        """Fill the table.

        Parameters
        ----------
        report : dict or None
            As `TrustSegLib.report.report_json` makes it; None for no result.
        colors : dict of str to (float, float, float)
            Colors of the structures by name, 0 to 1.
        """
        self._ui.resultsSection.setVisible(report is not None)
        rows = report["structures"] if report else []
        self._table.setRowCount(len(rows))
        for line, row in enumerate(rows):
            self._show_row(line, row, colors.get(row["name"]))
        self._fit_height()
        self._ui.cautionLabel.setText(_caution(report) if report else "")

    def _show_row(self, line: int, row: dict[str, Any], color: tuple[float, float, float] | None) -> None:
        share = row["mean_uncertainty"]
        texts = [row["name"], f"{row['volume_ml']:.2f}", "–" if share is None else f"{100 * share:.1f}"]  # noqa: RUF001
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            elif color is not None:
                item.setIcon(_swatch(color))
            self._table.setItem(line, column, item)

    def _fit_height(self) -> None:
        """As high as its rows: the panel scrolls, and a table that scrolls inside it is a nuisance."""
        rows = sum(self._table.rowHeight(line) for line in range(self._table.rowCount))
        header = self._table.horizontalHeader().sizeHint.height()
        self._table.setFixedHeight(rows + header + 2 * self._table.frameWidth)


def _swatch(color: tuple[float, float, float]):
    pixmap = qt.QPixmap(SWATCH, SWATCH)
    pixmap.fill(qt.QColor.fromRgbF(*color))
    return qt.QIcon(pixmap)


def _caution(report: dict[str, Any]) -> str:
    sentences = list(report["case"]["warnings"])
    if report["calibration"] is None:
        sentences.append(_("Not calibrated: the percentages are the model's own and were not checked."))
    return "\n".join(sentences)
