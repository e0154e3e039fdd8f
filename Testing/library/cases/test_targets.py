"""The folder of a series' results: named after its path, unique, and possible on every file system."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from TrustSegLib.cases.targets import LONGEST_BYTES, series_names
from TrustSegLib.contract import TABLE_FILES

ROOT = Path("study")
HASHED = re.compile(r"~[0-9a-f]{8}$")
FOLDER = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=80).filter(
    lambda name: name not in (".", "..")
)
ANY_TEXT = st.characters(exclude_characters="/", categories=["L", "N", "P", "S", "Z", "C"])
"""With lone surrogates: what Windows takes for a name and no text can hold."""
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\.|$)")


def names(*places: str) -> list[str]:
    return series_names(ROOT, [ROOT / place for place in places])


def test_a_name_is_the_path_below_the_folder():
    assert names("p1", "p 2/CT", "p3/2024.01/Schädel é") == ["p1", "p 2_CT", "p3_2024.01_Schädel é"]


def test_a_folder_that_is_named_by_dots_is_no_part_of_the_name():
    assert series_names(Path("."), [Path("p/CT")]) == ["p_CT"]
    assert series_names(Path(".."), [Path("../p/CT")]) == ["p_CT"]


def test_what_windows_does_not_take_is_replaced():
    assert names('p:1/T1 "fast" <3>?*') == ["p_1_T1 _fast_ _3___"]
    assert names("p2/t1\n|x", "p3/CT. . ") == ["p2_t1__x", "p3_CT"]


def test_bytes_that_are_no_text_are_replaced():
    (name,) = names(os.fsdecode(b"p\xff\xfe"))
    assert name == "p__"


def test_devices_of_windows_are_no_names():
    assert names("CON", "aux", "nul.1", "Lpt9 .x", "COM\u00b9") == [
        *("_CON", "_aux", "_nul.1", "_Lpt9 .x", "_COM\u00b9")
    ]
    assert names("console", "CON/CT", "nul-1", "com10", "p.aux") == [
        *("console", "CON_CT", "nul-1", "com10", "p.aux")
    ]


def test_no_name_is_hidden_or_taken_for_a_private_folder():
    assert names(" .trustseg-a", " ..x", " . /x") == ["_trustseg-a", "_x", "_ _x"]


def test_a_lone_surrogate_can_be_told_apart():
    long_name, other = names("p" * 200 + "\ud800", "p" * 200 + "\udc80")
    assert long_name != other
    assert len(set(names("q\ud800", "q\ud801", "q_"))) == 3


def test_a_series_that_is_added_does_not_take_the_folder_of_another():
    (before,) = names("a/b_c")
    assert before not in names("a/b_c", "a_b/c")


def test_paths_that_would_get_one_name_are_told_apart():
    first, second, other = names("a_b/c", "a/b_c", "a/b")
    assert first != second
    assert {HASHED.sub("", name) for name in (first, second)} == {"a_b_c"}
    assert other == "a_b"


def test_names_do_not_depend_on_order_or_number_of_the_others():
    assert names("a/b_c", "a_b/c") == names("a_b/c", "a/b_c")[::-1]
    assert names("p1", "p2")[0] == names("p0", "p1")[1]


def test_names_that_some_file_system_takes_for_the_same_are_told_apart():
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    for pair in (("P1", "p1"), (composed, decomposed)):
        assert all(HASHED.search(name) for name in names(*pair))


def test_no_series_takes_the_name_of_a_table():
    for table in TABLE_FILES:
        (name,) = names(table)
        assert HASHED.search(name)


def test_long_identifiers_fit_and_stay_different():
    deep = "/".join(f"1.3.6.1.4.1.14519.5.2.1.7009.2403.{number}" + "7" * 30 for number in range(5))
    first, second = names(f"{deep}/1", f"{deep}/2")
    assert first != second
    assert max(len(name.encode()) for name in (first, second)) <= LONGEST_BYTES
    assert len(names("頭" * 200)[0].encode()) <= LONGEST_BYTES


@given(
    st.sets(
        st.lists(st.one_of(FOLDER, st.text(ANY_TEXT, min_size=1, max_size=80)), min_size=1, max_size=4).map(
            "/".join
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_folders_are_called_each_has_a_folder_of_its_own(places):
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
