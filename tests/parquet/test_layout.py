"""Names of folders and files in a dataset, whatever the export calls its rows."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from asana_jobs_pd._decode.schema import SCHEMA
from asana_jobs_pd._parquet.writer import folder_of, part_name

ODD = [
    "",
    ".",
    "..",
    "../../etc",
    "a/b",
    "a\\b",
    "con",
    "lpt1",
    "_x",
    ".x",
    "Task",
    "a b",
    "x" * 300,
]


def test_asanas_types_are_folders_of_their_name():
    """For all types of the schema."""
    assert [folder_of(name) for name in SCHEMA] == list(SCHEMA)


@given(st.one_of(st.sampled_from(ODD), st.text()))
def test_a_folder_is_one_plain_name(name):
    """It leads nowhere else, and is not hidden, a device, or too long for a disk."""
    folder = folder_of(name)
    assert folder == Path(folder).name
    assert folder.isascii()
    assert folder == folder.lower()
    assert folder[0].isalpha()
    assert len(folder) <= 64
    assert folder not in ODD


def test_types_do_not_share_a_folder():
    """Not even where a disk does not tell upper from lower case."""
    names = [*SCHEMA, *ODD, "task", "TASK", "tasK"]
    assert len({folder_of(name) for name in names}) == len(set(names))


def test_the_names_of_parts_are_in_order_as_texts():
    """So that whatever sorts files by name reads rows in order."""
    names = [part_name(number) for number in range(0, 100_000, 997)]
    assert names == sorted(names)
    assert names[0] == "part-00000.parquet"
