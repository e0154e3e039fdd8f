"""Light and dark, as Slicer's two styles: the palette of the whole application."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets

Role, Group = QtGui.QPalette.ColorRole, QtGui.QPalette.ColorGroup
COLORS = {
    "light": {
        Role.Window: "#efefef",
        Role.Base: "#ffffff",
        Role.AlternateBase: "#f5f5f5",
        Role.Button: "#e0e0e0",
        Role.WindowText: "#000000",
        Role.Text: "#000000",
        Role.ButtonText: "#000000",
        Role.ToolTipBase: "#ffffdc",
        Role.ToolTipText: "#000000",
        Role.PlaceholderText: "#808080",
        Role.Highlight: "#308cc6",
        Role.HighlightedText: "#ffffff",
        Role.Link: "#0000ff",
    },
    "dark": {
        Role.Window: "#323232",
        Role.Base: "#252525",
        Role.AlternateBase: "#2b2b2b",
        Role.Button: "#464646",
        Role.WindowText: "#f0f0f0",
        Role.Text: "#f0f0f0",
        Role.ButtonText: "#f0f0f0",
        Role.ToolTipBase: "#505050",
        Role.ToolTipText: "#f0f0f0",
        Role.PlaceholderText: "#909090",
        Role.Highlight: "#2a82da",
        Role.HighlightedText: "#ffffff",
        Role.Link: "#6cb4ff",
    },
}
DISABLED = {"light": "#a0a0a0", "dark": "#787878"}


def set_appearance(name: str) -> None:
    """Switch the application to `"light"` or `"dark"`."""
    application = QtWidgets.QApplication.instance()
    application.setStyle("Fusion")
    palette = QtGui.QPalette()
    for role, color in COLORS[name].items():
        palette.setColor(role, QtGui.QColor(color))
    for role in (Role.WindowText, Role.Text, Role.ButtonText):
        palette.setColor(Group.Disabled, role, QtGui.QColor(DISABLED[name]))
    application.setPalette(palette)
