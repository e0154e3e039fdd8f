"""The module follows the rules of the real application, which the stand-ins cannot all enforce."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from module_rules import EVERYWHERE, Rule, needs_the_application
from source_tree import ROOT, files

MODULE = ROOT / "TrustSeg"
# These speak with the application, and are small: all else is given its scene and nodes.
APPLICATION_SIDE = {"TrustSeg.py", "TrustSegModule/app/host.py", "TrustSegModule/app/self_test.py"}
RULES = {rule.__name__: rule for rule in (*EVERYWHERE, needs_the_application)}


def faults(rule: Rule, path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [f"{path.relative_to(ROOT)}:{line} {what}" for line, what in rule(tree)]


def is_mrml_side(path: Path) -> bool:
    name = path.relative_to(MODULE).as_posix()
    return name not in APPLICATION_SIDE and "/panels/" not in name


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_module_follows_the_rules(rule: Rule):
    broken = [fault for path in files("TrustSeg", "*.py") for fault in faults(rule, path)]
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


def test_the_mrml_side_does_not_know_the_application():
    paths = [path for path in files("TrustSeg", "*.py") if is_mrml_side(path)]
    broken = [fault for path in paths for fault in faults(needs_the_application, path)]
    assert not broken, f"{needs_the_application.__doc__}\n" + "\n".join(broken)


def test_texts_of_the_ui_files_can_be_translated():
    for path in files("TrustSeg", "*.ui"):
        for text in ElementTree.parse(path).getroot().iter("string"):
            words = re.search(r"[^\W\d_]", re.sub(r"<[^>]*>", "", text.text or ""))
            kept = text.get("notr") == "true"
            assert not (words and kept and " " in text.text), f"{path.name}: {text.text!r} is not translated"


# Each rule catches what it is for, and lets pass what is right


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("unknown_names_of_slicer", "import slicer\nslicer.arrayFromVolume(v)"),
        ("unknown_names_of_slicer", "from slicer import getNode"),
        ("string_connections", "button.connect('clicked(bool)', f)"),
        ("string_connections", "slicer.app.disconnect('aboutToQuit()', f)"),
        ("early_imports", "import torch"),
        ("early_imports", "from TrustSegLib.worker import Worker"),
        ("early_imports", "from TrustSegLib import contract, worker"),
        ("early_imports", "class A:\n    import scipy"),
        ("early_imports", "try:\n    import nibabel\nexcept ImportError:\n    pass"),
        ("bare_excepts", "try:\n    f()\nexcept:\n    pass"),
        ("untranslated_texts", "label.text = 'Volume'"),
        ("untranslated_texts", "label.setText(f'{x} ml')"),
        ("untranslated_texts", "label.toolTip = _('Stop') if busy else 'Start'"),
        ("untranslated_texts", "label.text = 'of {}'.format(n)"),
        ("untranslated_texts", "label.text = name + ' of ' + other"),
        ("untranslated_texts", "table.setHorizontalHeaderLabels([_('A'), 'Volume'])"),
        ("untranslated_texts", "slicer.util.errorDisplay(message, windowTitle='Failed')"),
        ("untranslated_texts", "raise SceneError(f'{name} is empty')"),
        ("untranslated_texts", "label.text = _(f'{n} regions')"),
        ("no_subclasses_of_qt", "class A(qt.QWidget):\n    pass"),
        ("no_subclasses_of_qt", "done = qt.Signal()"),
        ("needs_the_application", "def f():\n    import qt"),
        ("needs_the_application", "slicer.mrmlScene.Clear()"),
        ("needs_the_application", "slicer.util.getNode('a')"),
    ],
)
def test_each_rule_catches_its_violation(rule: str, code: str):
    assert list(RULES[rule](ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import slicer, vtk, qt, numpy as np\nfrom TrustSegModule.scene.nodes import SceneError",
        "from slicer.i18n import tr as _\nfrom slicer import vtkMRMLScene",
        "if TYPE_CHECKING:\n    from TrustSegLib.worker import Worker",
        "def f():\n    import torch",
        "from TrustSegLib.contract import DEFAULT_MAP",
        "button.clicked.connect(f)\nslicer.util.arrayFromVolume(v)\nslicer.qMRMLWidget()",
        "label.text = _('{n} regions').format(n=n)\nlabel.text = ''\nlabel.setText(f'{x:.1f} %')",
        "label.text = report['name']\nlabel.toolTip = '<br>'.join(lines)\nnode.text = str(3)",
        "try:\n    f()\nexcept ValueError:\n    pass",
    ],
)
def test_rules_accept_correct_code(code: str):
    assert not [fault for rule in EVERYWHERE for fault in rule(ast.parse(code))]
