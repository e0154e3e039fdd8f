"""Whether a JSON file of a bundle fits its schema, said for people."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from TrustSegLib.errors import BundleError


def check_schema(content: Any, schema: str, validator: Draft202012Validator, where: str, remedy: str) -> None:
    """Make sure that a file is of this version and complete.

    Parameters
    ----------
    content : JSON values
        Of the file.
    schema : str
        Name and version that it has to name.
    validator : Draft202012Validator
        Of that schema.
    where : str
        How an error names the file.
    remedy : str
        What to do with a file that does not fit.

    Raises
    ------
    BundleError
        If the version is another one, or the content does not fit.
    """
    named = content.get("schema") if isinstance(content, dict) else None
    if named != schema:
        raise BundleError(f"{where}: schema is {named!r:.40}, not {schema!r}; get a model for this version")
    error = best_match(validator.iter_errors(content))
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".") or "top level"
        # The message quotes the offending value, which can be a whole file.
        reason = " ".join(error.message.split())[:200]
        raise BundleError(f"{where}: {place}: {reason}; {remedy}")
