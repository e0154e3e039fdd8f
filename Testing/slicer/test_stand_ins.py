"""The stand-ins for Slicer's Qt side act as the application does, or refuse: tested on a small module."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from source_tree import ROOT

DEMO = ROOT / "Testing/harness/qt_stand_ins/demo/StandInDemo.py"
pytestmark = pytest.mark.usefixtures("slicer_application", "scene")


@pytest.fixture
def panel(slicer_application, scene):
    from qt_stand_ins.panel import open_panel

    with open_panel(DEMO) as opened:
        yield opened


@pytest.fixture
def dialogs(slicer_application):
    from qt_stand_ins.dialogs import dialogs

    return dialogs


def new_volume(scene, name: str):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


# Settings and widgets


def test_a_widget_and_its_setting_follow_each_other(panel):
    ui, settings = panel.ui, panel.widget.settings
    assert ui.opacitySlider.value == 0.5
    ui.opacitySlider.setValue(0.75)
    assert settings.opacity == 0.75
    settings.opacity = 0.25
    assert ui.opacitySlider.value == 0.25
    ui.nameEdit.setText("Anna")
    assert settings.name == "Anna"
    ui.methodBox.setCurrentIndex(1)
    assert settings.method.value == "second"
    ui.outlineBox.click()
    assert settings.outline is False


def test_a_setting_refuses_what_the_application_refuses(panel):
    with pytest.raises(ValueError, match="not within"):
        panel.widget.settings.opacity = 2.0
    with pytest.raises(TypeError, match="is a bool"):
        panel.widget.settings.outline = "yes"
    assert panel.widget.settings.connectGui(panel.ui) is None


def test_a_selector_follows_the_scene(panel, scene):
    first, second = new_volume(scene, "first"), new_volume(scene, "second")
    selector = panel.ui.inputSelector
    assert selector.currentNode() is None, "noneEnabled: nothing is chosen by itself"
    assert not panel.ui.applyButton.enabled
    selector.setCurrentNode(second)
    assert panel.widget.settings.inputVolume is second
    assert panel.ui.status.text == "second"
    scene.RemoveNode(second)
    assert selector.currentNode() is None
    assert panel.widget.settings.inputVolume is None
    selector.noneEnabled = False
    assert selector.currentNode() is first


def test_closing_the_scene_resets_the_settings(panel, scene):
    panel.widget.settings.name = "before"
    panel.ui.inputSelector.setCurrentNode(new_volume(scene, "v"))
    scene.Clear(0)
    assert panel.widget.settings.name == "unnamed"
    assert panel.ui.nameEdit.text == "unnamed"
    assert panel.widget.settings.inputVolume is None
    assert not panel.ui.applyButton.enabled


def test_a_selector_that_the_ui_file_does_not_connect_has_no_scene(tmp_path, scene, slicer_application):
    from qt_stand_ins.panel import open_panel

    new_volume(scene, "v")
    with open_panel(changed_demo(tmp_path, "<receiver>inputSelector", "<receiver>StandInDemo")) as opened:
        assert opened.ui.inputSelector.nodeCount() == 0


# Time, keys, dialogs


def test_timer_progress_and_settings_run(panel, scene, dialogs):
    import qt
    from qt_stand_ins.panel import wait_until

    panel.ui.inputSelector.setCurrentNode(new_volume(scene, "v"))
    dialogs.answer("Ok", to="start now")
    panel.ui.applyButton.click()
    wait_until(lambda: panel.ui.progress.value >= 3)
    assert qt.QSettings().contains("StandInDemo/Started")
    assert dialogs.shown[0].title == "Demo"
    assert dialogs.shown[0].buttons == {"Ok", "Cancel"}


def test_a_declined_question_stops_there(panel, scene, dialogs):
    panel.ui.inputSelector.setCurrentNode(new_volume(scene, "v"))
    dialogs.answer("Cancel")
    panel.ui.applyButton.click()
    assert not panel.widget.timer.active


def test_a_question_without_an_answer_fails_the_test(scene, dialogs):
    from qt_stand_ins.panel import open_panel

    with pytest.raises(AssertionError, match="no answer to the dialog"), open_panel(DEMO) as opened:  # noqa: PT012
        opened.ui.inputSelector.setCurrentNode(new_volume(scene, "v"))
        opened.ui.applyButton.click()


def test_an_answer_to_no_question_fails_the_test(dialogs):
    from qt_stand_ins.panel import open_panel

    with pytest.raises(AssertionError, match="no dialog came"), open_panel(DEMO):
        dialogs.answer("Ok")


def test_errors_and_notes_are_recorded(panel, dialogs):
    import slicer

    dialogs.answer("Ok", to="broken")
    slicer.util.errorDisplay("It is broken.", detailedText="line 7")
    assert (dialogs.shown[0].icon, dialogs.shown[0].details) == ("Critical", "line 7")


def test_dialogs_of_qt_itself_never_wait(panel):
    import qt

    with pytest.raises(AssertionError, match=r"slicer\.util"):
        qt.QMessageBox.question(None, "a", "b")
    with pytest.raises(AssertionError, match="wait for ever"):
        qt.QDialog().exec_()


def test_a_key_reaches_its_shortcut(panel):
    assert panel.widget.settings.outline is True
    panel.press("U")
    assert panel.widget.settings.outline is False


def test_quitting_reaches_the_panel(panel, slicer_application):
    panel.widget.timer.start()
    slicer_application.aboutToQuit.emit()
    assert not panel.widget.timer.active


def test_an_exception_in_a_slot_fails_the_test():
    from qt_stand_ins.panel import open_panel

    with pytest.raises(AssertionError, match="ZeroDivisionError"), open_panel(DEMO) as opened:  # noqa: PT012
        opened.ui.applyButton.clicked.connect(lambda: 1 // 0)
        opened.ui.applyButton.clicked.emit()


# Views and pictures


def test_the_views_are_those_of_the_application(slicer_application, application, scene):
    import slicer

    volume = new_volume(scene, "v")
    slicer.util.updateVolumeFromArray(volume, np.zeros((3, 4, 5), np.uint8))
    manager = slicer_application.layoutManager()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert manager.sliceWidget("Red").sliceLogic() is application.slice_view("Red").logic
    assert application.slice_view("Red").composite.GetBackgroundVolumeID() == volume.GetID()
    assert manager.threeDWidget(0).mrmlViewNode() is application.three_d_view().node


def test_the_panel_is_pictured_light_and_dark(tmp_path, scene):
    from qt_stand_ins.panel import open_panel

    brightness = {}
    for appearance in ("light", "dark"):
        with open_panel(DEMO, appearance) as opened:
            pixels = opened.grab(tmp_path / f"{appearance}.png")
        assert (tmp_path / f"{appearance}.png").read_bytes().startswith(b"\x89PNG")
        assert pixels.shape[1:] == (420, 3)
        brightness[appearance] = np.median(pixels)
    assert brightness["dark"] < 100 < 200 < brightness["light"]


def test_a_collapsed_section_hides_its_contents(panel):
    tall = panel.grab().shape[0]
    panel.ui.inputs.collapsed = True
    assert panel.ui.opacitySlider.isHidden()
    assert panel.grab().shape[0] < tall
    panel.ui.inputs.checked = True
    assert not panel.ui.opacitySlider.isHidden()


# Nothing is invented


def changed_demo(folder: Path, old: str, new: str) -> Path:
    shutil.copytree(DEMO.parent, folder / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    form = folder / "demo/Resources/UI/StandInDemo.ui"
    assert old in form.read_text()
    form.write_text(form.read_text().replace(old, new))
    return folder / "demo/StandInDemo.py"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("ctkSliderWidget", "ctkRangeWidget", "no stand-in for ctkRangeWidget"),
        ('"QProgressBar"', '"QProgressBox"', "no stand-in for QProgressBox"),
        ("singleStep", "singleSteps", "has no property singleSteps"),
        ("setMRMLScene(", "setScene(", "connects what is not there"),
        ("<string>opacity<", "<string>opaque<", "no setting is called"),
        ('"QLineEdit"', '"QLabel"', "QLabel cannot show the str name"),
    ],
)
def test_mistake_in_the_ui_file_is_refused(tmp_path, scene, old, new, complaint):
    from qt_stand_ins.panel import open_panel

    with (
        pytest.raises((NotImplementedError, AttributeError, ValueError, RuntimeError), match=complaint),
        open_panel(changed_demo(tmp_path, old, new)),
    ):
        pass


def test_what_has_no_stand_in_can_be_named_and_not_made(slicer_application):
    import ctk
    import qt
    import slicer

    assert isinstance(slicer.qMRMLSegmentEditorWidget, type)
    with pytest.raises(NotImplementedError, match="qMRMLSegmentEditorWidget"):
        slicer.qMRMLSegmentEditorWidget()
    with pytest.raises(NotImplementedError, match="ctkRangeSlider"):
        ctk.ctkRangeSlider()
    for owner, name in ((slicer.modules, "pytorchutils"), (slicer.app, "extensions"), (qt, "Signal")):
        assert not hasattr(owner, name), name


def test_module_may_set_only_known_properties(slicer_application):
    from qt_stand_ins.scripted_module import ModuleParent

    parent = ModuleParent(DEMO)
    parent.title = "Demo"
    with pytest.raises(AttributeError, match="caption"):
        parent.caption = "Demo"


def test_sample_data_is_kept_with_what_the_module_said(slicer_application, monkeypatch):
    import SampleData
    import slicer

    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    for _ in range(2):
        SampleData.SampleDataLogic.registerCustomSampleDataSource("TrustSeg", "Sample", checksums="SHA256:0")
    (source,) = slicer.modules.sampleDataSources["TrustSeg"]
    assert (source.sampleName, source.checksums) == ("Sample", "SHA256:0")
