"""What a person has changed in the masks of the model."""

from __future__ import annotations

from TrustSegModule.mask_print import MaskPrint, mask_prints
from TrustSegModule.review import STRUCTURE, Item, Review
from TrustSegModule.segmentation import ALGORITHM_TYPE_TAG

AUTOMATIC, SEMIAUTOMATIC = "AUTOMATIC", "SEMIAUTOMATIC"
PREFIX = "Segment_"


def follow_edits(review: Review) -> bool:
    """Look for masks that have changed since the last look: tag them, keep and log that.

    A segment is SEMIAUTOMATIC (DICOM's Segment Algorithm Type, 0062,0008) while it differs from the mask of
    the model, and AUTOMATIC again once that is restored.

    Returns
    -------
    bool
        Whether any has changed.
    """
    now, before, automatic = mask_prints(review.node), review.current, review.automatic
    changed = [segment for segment in now if segment in before and now[segment] != before[segment]]
    if not changed:
        return False
    review.set_current({**before, **now})
    for segment in changed:
        _follow(review, segment, before[segment], now[segment], now[segment] == automatic[segment])
    if review.editing is not None and review.editing.kind != STRUCTURE:
        review.mark_edited(review.editing, bool(edited_volumes(review)))
    return True


def edited_volumes(review: Review) -> dict[int, float]:
    """Return the volumes in ml of the structures that differ from the masks of the model, by label."""
    automatic = review.automatic
    return {
        _label(segment): seen.volume_ml
        for segment, seen in review.current.items()
        if seen != automatic.get(segment)
    }


def _follow(review: Review, segment_id: str, before: MaskPrint, now: MaskPrint, restored: bool) -> None:
    segment = review.node.GetSegmentation().GetSegment(segment_id)
    segment.SetTag(ALGORITHM_TYPE_TAG, AUTOMATIC if restored else SEMIAUTOMATIC)
    item = Item(STRUCTURE, _label(segment_id))
    review.mark_edited(item, not restored)
    volumes = f"{segment.GetName()}: {before.volume_ml:.3f} ml -> {now.volume_ml:.3f} ml"
    review.log("restore" if restored else "edit", item, volumes)


def _label(segment_id: str) -> int:
    """Return the label that `segment_id` made the ID of."""
    return int(segment_id.removeprefix(PREFIX))
