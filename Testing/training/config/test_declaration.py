"""Settings are declared once: options, documentation and checks are derived from the declarations."""

from __future__ import annotations

from dataclasses import fields

import pytest

from trustseg_training.cli import _parser
from trustseg_training.commands.fit import STRUCTURED
from trustseg_training.config import FitConfiguration
from trustseg_training.config.declaration import declarations

NAMES = [field.name for field in fields(FitConfiguration)]


def _options(*words: str) -> dict:
    return vars(_parser().parse_args(["fit", "-o", "run", *words]))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*STRUCTURED, "data")])
def test_every_plain_setting_is_an_option_of_its_type(name):
    default = getattr(FitConfiguration(data="d", structures=("A",)), name)
    choices = declarations(FitConfiguration)[name].rule
    value = choices.choices[0] if choices and choices.choices else default
    values = value if isinstance(value, tuple) else (value,)
    words = ["1" if each is None else str(each) for each in values]
    found = _options(f"--{name.replace('_', '-')}", *words)[name]
    assert (tuple(found) if isinstance(found, list) else found) == value or value is None


def test_options_that_are_left_out_are_absent():
    assert not set(_options()) & set(NAMES)


def test_none_is_a_number_only_where_the_default_is_one():
    assert _options("--gradient-clip", "none")["gradient_clip"] is None
    with pytest.raises(SystemExit):
        _options("--ema", "none")


def test_docstring_explains_every_setting():
    for name, declared in declarations(FitConfiguration).items():
        assert f"\n    {name} : " in FitConfiguration.__doc__
        assert declared.sentences("None")[:40] in FitConfiguration.__doc__
