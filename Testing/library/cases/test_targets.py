"""The folder of a series' results: named after its path, unique, and valid on every file system."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from TrustSegLib.cases.targets import LONGEST_BYTES, series_names
from TrustSegLib.contract import BATCH_FILES

ROOT = Path("study")
HASHED = re.compile(r"~[0-9a-f]{8}$")
FOLDER = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=80).filter(
    lambda name: name not in (".", "..")
)
ANY_TEXT = st.characters(exclude_characters="/", categories=["L", "N", "P", "S", "Z", "C"])
"""With lone surrogates, which names on Windows may have, but no valid text."""
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\.|$)")


def names(*places: str) -> list[str]:
    return series_names(ROOT, [ROOT / place for place in places])


def test_name_is_the_path_below_the_folder():
    assert names("p1", "p 2/CT", "p3/2024.01/Schädel é") == ["p1", "p 2_CT", "p3_2024.01_Schädel é"]


def test_dot_folders_are_left_out_of_the_name():
    assert series_names(Path("."), [Path("p/CT")]) == ["p_CT"]
    assert series_names(Path(".."), [Path("../p/CT")]) == ["p_CT"]


def test_characters_that_windows_forbids_are_replaced():
    assert names('p:1/T1 "fast" <3>?*') == ["p_1_T1 _fast_ _3___"]
    assert names("p2/t1\n|x", "p3/CT. . ") == ["p2_t1__x", "p3_CT"]


def test_bytes_that_are_not_text_are_replaced():
    (name,) = names(os.fsdecode(b"p\xff\xfe"))
    assert name == "p__"


def test_names_of_windows_devices_are_changed():
    assert names("CON", "aux", "nul.1", "Lpt9 .x", "COM\u00b9") == [
        *("_CON", "_aux", "_nul.1", "_Lpt9 .x", "_COM\u00b9")
    ]
    assert names("console", "CON/CT", "nul-1", "com10", "p.aux") == [
        *("console", "CON_CT", "nul-1", "com10", "p.aux")
    ]


def test_names_are_visible_and_differ_from_private_folders():
    assert names(" .trustseg-a", " ..x", " . /x") == ["_trustseg-a", "_x", "_ _x"]


def test_names_with_a_lone_surrogate_are_distinct():
    long_name, other = names("p" * 200 + "\ud800", "p" * 200 + "\udc80")
    assert long_name != other
    assert len(set(names("q\ud800", "q\ud801", "q_"))) == 3


def test_added_series_gets_a_folder_of_its_own():
    (before,) = names("a/b_c")
    assert before not in names("a/b_c", "a_b/c")


def test_paths_with_the_same_safe_name_get_distinct_names():
    first, second, other = names("a_b/c", "a/b_c", "a/b")
    assert first != second
    assert {HASHED.sub("", name) for name in (first, second)} == {"a_b_c"}
    assert other == "a_b"


def test_names_do_not_depend_on_order_or_number_of_the_others():
    assert names("a/b_c", "a_b/c") == names("a_b/c", "a/b_c")[::-1]
    assert names("p1", "p2")[0] == names("p0", "p1")[1]


def test_names_that_are_equal_to_some_file_system_get_distinct_names():
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    for pair in (("P1", "p1"), (composed, decomposed)):
        assert all(HASHED.search(name) for name in names(*pair))


def test_series_named_like_a_table_gets_another_name():
    for table in BATCH_FILES:
        (name,) = names(table)
        assert HASHED.search(name)


def test_long_identifiers_fit_and_stay_distinct():
    deep = "/".join(f"1.3.6.1.4.1.14519.5.2.1.7009.2403.{number}" + "7" * 30 for number in range(5))
    first, second = names(f"{deep}/1", f"{deep}/2")
    assert first != second
    assert max(len(name.encode()) for name in (first, second)) <= LONGEST_BYTES
    assert len(names("頭" * 200)[0].encode()) <= LONGEST_BYTES


# On a busy machine drawing the names alone takes longer than Hypothesis allows.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sets(
        st.lists(st.one_of(FOLDER, st.text(ANY_TEXT, min_size=1, max_size=80)), min_size=1, max_size=4).map(
            "/".join
        ),
        min_size=1,
        max_size=6,
    )
)
def test_each_series_has_a_folder_of_its_own_for_any_names(places):
    given_names = names(*places)
    keys = {unicodedata.normalize("NFC", name).casefold() for name in given_names}
    assert len(keys) == len(places)
    for name in given_names:
        assert Path(name).name == name
        assert len(name.encode()) <= LONGEST_BYTES
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        assert not name.endswith((".", " "))
        assert not name.startswith(".")
        assert not DEVICE.match(name)
