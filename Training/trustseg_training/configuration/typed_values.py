"""Values as YAML gives them, brought to the types of `FitConfiguration` or refused."""

from __future__ import annotations

import types
from typing import Union, get_args, get_origin

from TrustSegLib.imaging import Normalization


def convert(value: object, hint: object) -> object:
    """Bring a value to a type.

    Parameters
    ----------
    value : object
        Of the kinds that YAML knows.
    hint : type
        str, int, float, `Normalization`, or a tuple, dict or union of these.

    Raises
    ------
    ValueError
        Saying what is needed.
    OptionError
        Likewise, for a normalization.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        return _one_of(value, parts)
    if origin is tuple:
        return _tuple(value, parts)
    if origin is dict:
        return _dict(value, parts)
    if hint is Normalization:
        return _normalization(value)
    return _scalar(value, hint)


def _one_of(value: object, kinds: tuple) -> object:
    if types.NoneType in kinds:
        if value is None:
            return None
        kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
    # A number stays whole if it may: int stands before float.
    for kind in kinds[:-1]:
        try:
            return convert(value, kind)
        except ValueError:
            continue
    return convert(value, kinds[-1])


def _tuple(value: object, parts: tuple) -> tuple:
    any_length = parts[-1] is Ellipsis
    if not isinstance(value, list) or not (any_length or len(value) == len(parts)):
        raise ValueError(f"a list {'' if any_length else f'of {len(parts)} '}is needed, such as [a, b, c]")
    return tuple(convert(part, parts[0]) for part in value)


def _dict(value: object, parts: tuple) -> dict:
    if not isinstance(value, dict):
        raise ValueError("a mapping is needed, such as {a: 1, b: 2}")
    return {convert(key, parts[0]): convert(part, parts[1]) for key, part in value.items()}


def _normalization(value: object) -> Normalization:
    if not isinstance(value, dict):
        raise ValueError("a mapping is needed, such as {method: zscore}")
    return Normalization.from_dict(value)


def _scalar(value: object, kind: type) -> object:
    if kind is float:
        return _float(value)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ValueError("a whole number is needed" if kind is int else "text is needed, perhaps in quotes")
    return value


def _float(value: object) -> float:
    """YAML 1.1, which PyYAML reads, takes 1e-3 for text: its numbers with an exponent need a point."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number is needed")
    try:
        return float(value)
    except ValueError:
        raise ValueError("a number is needed") from None
