"""Colors and SNOMED CT codes of structures, by their names.

A name that the table does not have gets the code of any anatomical structure: nothing rather than something
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from TrustSegLib.bundle.description import Code, Structure, Terminology

#: Okabe and Ito's, which people with color blindness can tell apart; black is left out.
COLORS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)

_ANY = Code("SCT", "123037004", "Anatomical Structure")

_STRUCTURES = {
    "hippocampus": Code("SCT", "5366008", "Hippocampus"),
    "brain": Code("SCT", "12738006", "Brain"),
    "brainstem": Code("SCT", "119238007", "Brain stem"),
    "liver": Code("SCT", "10200004", "Liver"),
    "spleen": Code("SCT", "78961009", "Spleen"),
    "pancreas": Code("SCT", "15776009", "Pancreas"),
    "kidney": Code("SCT", "64033007", "Kidney"),
    "prostate": Code("SCT", "41216001", "Prostate"),
    "heart": Code("SCT", "80891009", "Heart"),
    "lung": Code("SCT", "39607008", "Lung"),
    "stomach": Code("SCT", "69695003", "Stomach"),
    "esophagus": Code("SCT", "32849002", "Esophagus"),
    "mandible": Code("SCT", "91609006", "Mandible"),
    "aorta": Code("SCT", "15825003", "Aorta"),
}

_MODIFIERS = {
    "left": Code("SCT", "7771000", "Left"),
    "right": Code("SCT", "24028007", "Right"),
    "anterior": Code("SCT", "255549009", "Anterior"),
    "posterior": Code("SCT", "255551008", "Posterior"),
}


def terminology_of(name: str) -> Terminology:
    """Codes of a structure; those of any structure unless every word of its name is known.

    "Left kidney" is known; "kidney tumor" is none of the kidney, and gets no code of it.
    """
    words = re.findall("[a-z]+", name.lower())
    found = [_STRUCTURES[word] for word in words if word in _STRUCTURES]
    modifiers = [_MODIFIERS[word] for word in words if word in _MODIFIERS]
    is_known = len(found) == 1 and len(modifiers) <= 1 and len(words) == 1 + len(modifiers)
    if not is_known or re.search("[^A-Za-z _-]", name):
        return Terminology(_ANY, _ANY)
    return Terminology(_ANY, found[0], modifiers[0] if modifiers else None)


def structures_of(names: Sequence[str]) -> list[Structure]:
    """Structures with labels 1, 2, ..., a color each and their codes."""
    return [
        Structure(label, name, COLORS[(label - 1) % len(COLORS)], terminology_of(name))
        for label, name in enumerate(names, start=1)
    ]
