"""The module's own test: runs in Slicer ("Reload and Test", ctest) and needs neither torch nor a window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest


class TrustSegTest(ScriptedLoadableModuleTest):
    """Tries what works before any package is installed."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        for test in (
            self.test_library_comes_with_the_module,
            self.test_models_are_described,
            self.test_unknown_model_is_refused,
            self.test_result_is_found_and_is_no_image,
        ):
            self.setUp()
            test()
        self.delayDisplay(_("Test passed"))

    def test_library_comes_with_the_module(self) -> None:
        from TrustSeg import TrustSegLogic

        self.assertRegex(TrustSegLogic().libraryVersion(), r"^\d+\.\d+\.\d+")

    def test_models_are_described(self) -> None:
        from TrustSegModule.app.models import bundled_models

        models = bundled_models()
        self.assertTrue(models)
        for model in models:
            self.assertTrue(model.name and model.images and model.trained_on)

    def test_unknown_model_is_refused(self) -> None:
        from TrustSeg import TrustSegLogic
        from TrustSegModule.scene.nodes import SceneError

        with self.assertRaises(SceneError):
            TrustSegLogic().segment(self.makeImage(), model="no such model")

    def test_result_is_found_and_is_no_image(self) -> None:
        from TrustSeg import TrustSegLogic
        from TrustSegLib.contract import DEFAULT_MAP
        from TrustSegModule.app.models import installed_models
        from TrustSegModule.results.nodes import put_result

        logic, image = TrustSegLogic(), self.makeImage()
        self.assertIs(logic.firstImage(), image)
        labels = np.zeros((4, 5, 6), np.uint8)
        labels[1:3, 1:3, 1:3] = 1
        report = {"structures": [], "calibration": None, "case": {"warnings": []}}
        result = SimpleNamespace(labels=labels, maps={DEFAULT_MAP: labels / 4}, report=report)
        results = put_result(slicer.mrmlScene, image, result, installed_models()[0].description)
        self.assertEqual(logic.resultsOf(image), results)
        self.assertFalse(logic.isImage(results.maps[DEFAULT_MAP]))
        voxels = slicer.util.arrayFromVolume(results.maps[DEFAULT_MAP])
        np.testing.assert_array_equal(voxels, (labels / 4).astype(np.float32))

    def makeImage(self):
        """An image of 6 x 5 x 4 voxels in the scene."""
        image = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "image")
        slicer.util.updateVolumeFromArray(image, np.arange(120, dtype=np.int16).reshape(4, 5, 6))
        return image
