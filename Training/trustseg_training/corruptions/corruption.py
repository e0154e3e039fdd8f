"""Which corruption, how strong and where: a value with a short text for tables."""

from __future__ import annotations

from dataclasses import dataclass

from TrustSegLib.errors import OptionError

NOISES = ("gaussian", "rician", "poisson", "speckle", "salt_and_pepper")
ARTIFACTS = ("blur", "downsampling", "bias_field", "motion", "ghosting", "spike", "gamma", "gain")
NAMES = NOISES + ARTIFACTS

_SEVERITIES = range(1, 6)
_SNR_DB = (-30.0, 100.0)
_LABELS = range(1, 256)
_PLACES = ("all", "background", "structures")
_EXAMPLES = "gaussian-8dB, motion-3 or speckle-10dB@1"


@dataclass(frozen=True)
class Corruption:
    """One way to make an image worse.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    severity : int or None
        1 (just visible) to 5 (heavily degraded, the organ still recognizable).
    snr_db : float or None
        The exact signal-to-noise ratio of the corrupted image in dB; for the `NOISES` only. Exactly one of
        severity and SNR is given.
    where : str or int
        The voxels that may change: "all", "background" (label 0), "structures" (every other label) or one
        label's number.

    Raises
    ------
    OptionError
        If the name, the strength or the place is not one of these.
    """

    name: str
    severity: int | None = None
    snr_db: float | None = None
    where: str | int = "all"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise OptionError(f"corruption {self.name!r}: not known; use one of {', '.join(NAMES)}")
        if (self.severity is None) == (self.snr_db is None):
            raise OptionError(f"corruption {self.name}: give a severity or an SNR, and not both")
        if self.severity is None:
            self._check_snr()
        elif not _whole(self.severity) or self.severity not in _SEVERITIES:
            raise OptionError(
                f"corruption {self.name}: severity {self.severity!r}; give a number from 1 to 5"
            )
        if self.where not in _PLACES and not (_whole(self.where) and self.where in _LABELS):
            wrong = f"corruption {self.name}: place {self.where!r} not known"
            raise OptionError(f"{wrong}; use {', '.join(_PLACES)} or a label's number from 1 to 255")

    def _check_snr(self) -> None:
        """An SNR makes sense for a noise only: an artifact has no random numbers to scale."""
        if self.name not in NOISES:
            raise OptionError(f"corruption {self.name}: has no SNR of its own; give a severity from 1 to 5")
        low, high = _SNR_DB
        if isinstance(self.snr_db, bool) or not isinstance(self.snr_db, int | float):
            raise OptionError(f"corruption {self.name}: SNR {self.snr_db!r}; give a number in dB")
        if not low <= self.snr_db <= high:  # NaN too: every comparison with it is false
            wrong = f"corruption {self.name}: SNR {self.snr_db:g} dB"
            raise OptionError(f"{wrong}; give a number of dB from {low:g} to {high:g}")

    @property
    def key(self) -> str:
        """A short text for tables and file names, such as `gaussian-8dB`, `motion-3` or `speckle-10dB@1`."""
        strength = str(self.severity) if self.snr_db is None else f"{_shortest(self.snr_db)}dB"
        return f"{self.name}-{strength}" + ("" if self.where == "all" else f"@{self.where}")


def parse(text: str) -> Corruption:
    """Return the corruption that a text names: the inverse of `Corruption.key`.

    Raises
    ------
    OptionError
        If the text is not of that form, or names a corruption that does not exist.
    """
    strong, at, where = text.partition("@")
    name, _, strength = strong.partition("-")
    place: str | int = int(where) if where.isdecimal() else (where if at else "all")
    try:
        if strength.endswith("dB"):
            return Corruption(name, snr_db=float(strength.removesuffix("dB")), where=place)
        return Corruption(name, severity=int(strength), where=place)
    except ValueError:
        raise OptionError(f"corruption {text!r}: not understood; write it like {_EXAMPLES}") from None


def _whole(number: object) -> bool:
    """Whether this is a whole number; True and False are not."""
    return isinstance(number, int) and not isinstance(number, bool)


def _shortest(number: float) -> str:
    """Every digit that is needed to read the same number again, and no `.0`."""
    return repr(float(number)).removesuffix(".0")
