"""The table of families and architectures agrees with what it names, and loads without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import pytest
from source_tree import ROOT

from TrustSegLib.networks import (
    ARCHITECTURES,
    FAMILIES,
    PROPAGATIONS,
    FamilyOptions,
    NetworkSpec,
    build,
)

SCHEMA = json.loads((ROOT / "TrustSegLib/bundle/model.schema.json").read_text("utf-8"))["properties"]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_each_family_names_its_own_network(family):
    network = family.network_class()
    assert network.family == family.name
    assert hasattr(network, "kl_divergence") == family.random_weights
    assert set(family.options) <= {field.name for field in fields(FamilyOptions)}


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_each_architecture_is_the_body_of_its_networks(architecture):
    spec = NetworkSpec(classes=2, filters=(2, 4), architecture=architecture.name)
    assert type(build(spec, "deterministic").body) is architecture.body_class()


@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_families_of_several_propagations_are_built_with_each(propagation):
    spec = NetworkSpec(classes=2, filters=(2, 4))
    for family in FAMILIES.values():
        if family.propagations:
            assert propagation in family.propagations
            assert build(spec, family.name, propagation).propagation == propagation


def test_schema_of_bundles_names_every_family_propagation_and_option():
    assert SCHEMA["family"]["enum"] == list(FAMILIES)
    assert set(SCHEMA["propagation"]["enum"]) == set(PROPAGATIONS)
    assert set(SCHEMA["family_options"]["properties"]) == {field.name for field in fields(FamilyOptions)}


def test_table_loads_without_pytorch():
    code = "import sys; from TrustSegLib.networks import FAMILIES, NetworkSpec; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_unknown_name_is_no_attribute_of_the_package():
    import TrustSegLib.networks as networks

    with pytest.raises(AttributeError, match="has no attribute 'Transformer'"):
        _ = networks.Transformer
