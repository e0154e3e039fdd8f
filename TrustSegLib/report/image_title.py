"""What an image is called on a page."""

from __future__ import annotations

from TrustSegLib.imaging.reading import ITK_READERS


def image_title(image: str) -> str:
    """The name of a file; of a folder with a DICOM series the two folders above too.

    Series are named after what was scanned and how ("T1"), the folders above after the study and the patient:
    with the first alone the reports of many patients would have one title.

    Parameters
    ----------
    image : str
        Path, of any system.
    """
    parts = [part for part in image.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts:
        return image
    is_file = parts[-1].lower().endswith(tuple(ITK_READERS))
    return parts[-1] if is_file else "/".join(parts[-3:])
