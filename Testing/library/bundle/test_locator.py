"""The locator of a bundle: what it says of the structures of each side, and its atlas."""

from __future__ import annotations

import dataclasses
import json

import heads
import numpy as np
import pytest

from TrustSegLib.bundle import find_bundle, load_bundle, save_bundle, verify_bundle
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.cli import main
from TrustSegLib.contract import MODEL_FILE
from TrustSegLib.errors import BundleError
from TrustSegLib.imaging import write_volume


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bundled model, saved with the locator."""
    bundle = load_bundle(find_bundle("hippocampus-t1"))
    described = dataclasses.replace(bundle.description, locator=heads.locator())
    weights, atlas = bundle.network().state_dict(), heads.atlas_file().read_bytes()
    return save_bundle(
        tmp_path_factory.mktemp("models") / "located", described, weights, "# Card\n", atlas=atlas
    )


def test_locator_and_atlas_are_saved_and_loaded(saved):
    loaded = verify_bundle(saved.path)
    assert loaded.description.locator == heads.locator()
    assert loaded.atlas().shape == saved.atlas().shape
    assert loaded.atlas().array.max() == 255


def test_model_without_a_locator_has_no_atlas_and_no_key(saved):
    plain = dataclasses.replace(saved.description, locator=None)
    assert "locator" not in plain.to_dict()
    bundle = dataclasses.replace(saved, description=plain)
    assert bundle.atlas() is None


def test_structures_of_both_sides_have_their_own_labels_names_and_sides(saved):
    both = saved.description.located_structures
    assert [each.label for each in both] == [1, 2, 3, 4]
    assert [each.name for each in both] == [
        "Left anterior hippocampus",
        "Left posterior hippocampus",
        "Right anterior hippocampus",
        "Right posterior hippocampus",
    ]
    left, right = both[0].terminology, both[2].terminology
    assert left.type_modifier.meaning == right.type_modifier.meaning == "Anterior"
    assert (left.region.code, left.region_modifier.code) == (left.type.code, "7771000")
    assert (right.region.code, right.region_modifier.code) == (right.type.code, "24028007")


def test_side_modifies_the_type_where_nothing_else_does(saved):
    plain = saved.description.structures[0]
    plain = dataclasses.replace(plain, terminology=dataclasses.replace(plain.terminology, type_modifier=None))
    left = dataclasses.replace(saved.description, structures=(plain,)).located_structures[0].terminology
    assert (left.type_modifier.code, left.region) == ("7771000", None)


def rewritten(bundle, folder, change):
    """The files of a bundle in a folder, with a changed `model.json`."""
    for name in bundle.description.files:
        (folder / name).write_bytes((bundle.path / name).read_bytes())
    content = json.loads((bundle.path / MODEL_FILE).read_text())
    change(content)
    (folder / MODEL_FILE).write_text(json.dumps(content))
    return folder


def test_atlas_that_is_not_among_the_files_is_refused(saved, tmp_path):
    def forget(content):
        del content["files"][content["locator"]["atlas"]]

    with pytest.raises(BundleError, match="is not among the files"):
        load_bundle(rewritten(saved, tmp_path, forget))


def test_fields_of_view_of_the_same_name_are_refused(saved, tmp_path):
    def rename(content):
        content["locator"]["fields_of_view"][1]["name"] = "Left"

    with pytest.raises(BundleError, match="share a name"):
        load_bundle(rewritten(saved, tmp_path, rename))


def test_verify_names_an_atlas_that_is_no_image(saved, tmp_path, capsys):
    name = saved.description.locator.atlas
    rewritten(saved, tmp_path, lambda content: None)
    (tmp_path / name).write_bytes(b"no image")
    content = json.loads((tmp_path / MODEL_FILE).read_text())
    content["files"][name] = sha256_of(tmp_path / name)
    (tmp_path / MODEL_FILE).write_text(json.dumps(content))
    assert main(["models", "verify", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert error.count("\n") == 1


def test_atlas_of_two_channels_is_refused(saved, tmp_path):
    name = saved.description.locator.atlas
    rewritten(saved, tmp_path, lambda content: None)
    atlas = saved.atlas()
    write_volume(atlas.with_array(np.repeat(atlas.array, 2, axis=0)), tmp_path / name)
    content = json.loads((tmp_path / MODEL_FILE).read_text())
    content["files"][name] = sha256_of(tmp_path / name)
    (tmp_path / MODEL_FILE).write_text(json.dumps(content))
    with pytest.raises(BundleError, match="no atlas"):
        verify_bundle(tmp_path)
