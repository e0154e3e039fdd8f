"""A header that leaves the size, the place or the direction of the anatomy in doubt is refused."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize("forms", [("qform",), ("sform",), ("qform", "sform")])
@pytest.mark.parametrize("size", [0, -2, np.nan, np.inf])
def test_nifti_spacing_that_is_not_positive(nifti, refused, forms, size):
    refused(nifti(forms=forms, pixdim=(1, size)), "voxel size")


def test_nifti_without_a_place_in_the_patient(nifti, refused):
    refused(nifti(forms=()), "does not say how the image lies")


@pytest.mark.parametrize("change", [{"srow_x": [-2, 0, 0, 50]}, {"srow_x": (3, 1.5)}, {"srow_z": (3, -20)}])
def test_nifti_qform_and_sform_at_odds(nifti, refused, change):
    refused(nifti(**change), "mm apart")


@pytest.mark.parametrize("forms", [("sform",), ("qform", "sform")])
def test_nifti_sform_of_another_voxel_size(nifti, refused, forms):
    refused(nifti(forms=forms, srow_x=(0, 2.5)), "different voxel sizes")


@pytest.mark.parametrize("forms", [("sform",), ("qform", "sform")])
@pytest.mark.parametrize("angle", [0.2, 0.002])
def test_nifti_sheared(nifti, refused, forms, angle):
    x, y = 2 * np.cos(angle), 2 * np.sin(angle)
    refused(nifti(forms=forms, srow_x=[x, 0, 0, 0], srow_y=[y, 3, 0, 0]), "sheared")


def test_nifti_sheared_by_less_than_we_see_but_more_than_itk_allows(nifti, refused):
    refused(nifti(forms=("sform",), srow_y=[1e-3, 3, 0, 0]), "sheared")


@pytest.mark.parametrize("change", [{"srow_x": (0, np.nan)}, {"srow_z": (3, np.inf)}, {"qoffset_x": np.nan}])
def test_nifti_form_that_is_not_finite(nifti, refused, change):
    refused(nifti(**change), "NaN or infinity")


@pytest.mark.parametrize("directions", ["(0,0,0) (0,3,0) (0,0,4)", "(nan,nan,nan) (0,3,0) (0,0,4)"])
def test_nrrd_spacing_that_is_not_positive(nrrd, refused, directions):
    refused(nrrd(space_directions=directions), "voxel size")


@pytest.mark.parametrize("directions", ["(2,0.5,0) (0,3,0) (0,0,4)", "(2,0,0) (2,0,0) (0,0,4)"])
def test_nrrd_sheared(nrrd, refused, directions):
    refused(nrrd(space_directions=directions), "sheared")


@pytest.mark.parametrize("change", [
    {"space": None, "space_directions": None, "space_origin": None},
    {"space": None, "space_directions": None, "space_origin": None, "spacings": "-1 1 1"},
    {"space": "scanner-xyz"},
])  # fmt: skip
def test_nrrd_without_a_place_in_the_patient(nrrd, refused, change):
    refused(nrrd(**change), "does not say how the image lies")


def test_nrrd_directions_that_do_not_make_a_volume(nrrd, refused):
    refused(nrrd(dimension="2", sizes="6 20", space_directions="(2,0,0) (0,3,0)"), "2D")


def test_position_that_is_not_finite(nrrd, meta, refused):
    refused(nrrd(space_origin="(nan,nan,nan)"), "no position")
    refused(meta(Offset="nan 0 0"), "no position")


@pytest.mark.parametrize("spacing", ["0 3 4", "-2 3 4", "nan 3 4", "inf 3 4"])
def test_metaimage_spacing_that_is_not_positive(meta, refused, spacing):
    refused(meta(ElementSpacing=spacing), "voxel size")


@pytest.mark.parametrize(
    "matrix", ["1 0 0 0.2 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", "2 0 0 0 2 0 0 0 2", "nan 0 0 0 1 0 0 0 1"]
)
def test_metaimage_axes_that_are_no_rotation(meta, refused, matrix):
    refused(meta(TransformMatrix=matrix), "sheared or scaled")


@pytest.mark.parametrize("field", ["ElementSpacing", "TransformMatrix"])
def test_metaimage_without_a_place_in_the_patient(meta, refused, field):
    refused(meta(**{field: None}), "does not say how the image lies")
