import gzip
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.datasets.csv import Csv

ADULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "adult"


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, name="t.csv", labels=(), /, **columns):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(data)
        return Csv().read(name, tmp_path, columns, labels)

    return write_and_read


PEOPLE = "age,job,label\n50,cook,yes\n30.5,nurse,no\n-1e2,poet,yes\n"


def test_a_column_is_numbers_when_every_cell_is_one(read):
    rows = read(PEOPLE)
    assert list(rows.inputs) == ["age", "job"]
    assert rows.inputs["age"].dtype == np.float32
    assert rows.inputs["age"].tolist() == [50, 30.5, -100]
    assert rows.inputs["job"].tolist() == ["cook", "nurse", "poet"]
    assert rows.names == ("no", "yes")
    assert rows.labels.dtype == np.int64
    assert rows.labels.tolist() == [1, 0, 1]


def test_one_word_far_down_makes_the_whole_column_words(read):
    rows = read("a,label\n" + "1,x\n" * 500 + "1_000,y\n")
    assert rows.inputs["a"].tolist() == ["1"] * 500 + ["1_000"]


def test_tabs_byte_order_marks_windows_line_ends_and_spaces_are_taken(read):
    rows = read(b"\xef\xbb\xbfage\tjob\tlabel\r\n 5\t a b \tyes\r\n\r\n6\tc\tno\r\n", "t.tsv")
    assert rows.inputs["age"].tolist() == [5, 6]
    assert rows.inputs["job"].tolist() == ["a b", "c"]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.data"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_separator_is_seen(read, sign, name):
    rows = read(PEOPLE.replace(",", sign), name)
    assert (list(rows.inputs), rows.inputs["age"].tolist(), rows.names) == (["age", "job"], [50, 30.5, -100], ("no", "yes"))
    nameless = PEOPLE.partition("\n")[2].replace(",", sign)
    assert read(nameless, name, names=["age", "job", "label"]).inputs["job"].tolist() == ["cook", "nurse", "poet"]


@pytest.mark.parametrize(
    ("text", "columns", "inputs"),
    [
        ("text;label\nyes, please;a\nno;b\n", {"text": "text"}, ["yes, please", "no"]),
        ('text;label\n"a; ""b""";x\n"two\nlines, here";y\n', {"text": "text"}, ['a; "b"', "two\nlines, here"]),
        ("text, told;label\none, two;a\nthree, four;b\n", {"text": "text, told"}, ["one, two", "three, four"]),
        ("text,label\na;b,x\nc|d,y\n", {"text": "text"}, ["a;b", "c|d"]),
        ("text,label|a\nb|c,x\nd|e,y\n", {"text": "text", "label": "label|a"}, ["b|c", "d|e"]),
        ("text\na, b\n", {"text": "text", "label": None, "separator": ";"}, ["a, b"]),
        ("text^label\na, b^x\nc^y\n", {"text": "text", "separator": "^"}, ["a, b", "c"]),
    ],
)
def test_signs_within_texts_do_not_part_them(read, text, columns, inputs):
    assert read(text, **columns).inputs.tolist() == inputs


def test_a_decimal_comma_in_a_column_of_words_is_a_word(read):
    assert read("size;label\n1,5;x\nwide;y\n").inputs["size"].tolist() == ["1,5", "wide"]
    assert read("size;label\n1,5;x\n2,5;y\n", categorical=["size"]).inputs["size"].tolist() == ["1,5", "2,5"]


def test_a_cell_may_hold_a_long_document(read):
    text = "长" * 500_000
    assert read(f"q,label\n{text},a\n", text="q").inputs.tolist() == [text]


def test_quoted_cells_may_hold_separators_and_line_breaks(read):
    rows = read('job,label\n"a, ""b""\nc",yes\nd,no\n')
    assert rows.inputs["job"].tolist() == ['a, "b"\nc', "d"]


def test_files_without_header_with_comments_and_skipped_lines(read):
    text = "made by hand\n|1x3 validator\n39, Male, <=50K.\n| end\n50, Female, >50K.\n"
    columns = {"names": ["age", "sex", "income"], "skip": 1, "comment": "|", "label": "income", "label_suffix": "."}
    rows = read(text, "adult.test", **columns)
    assert rows.inputs["age"].tolist() == [39, 50]
    assert rows.names == ("<=50K", ">50K")


def test_missing_cells_are_nan_or_the_empty_word(read):
    rows = read("age,job,label\n?,?,a\n3,,b\n,cook,a\n", missing=["?"])
    np.testing.assert_array_equal(rows.inputs["age"], [np.nan, 3, np.nan])
    assert rows.inputs["job"].tolist() == ["", "", "cook"]


def test_a_group_stays_a_feature_unless_it_is_dropped_or_left_out(read):
    text = "age,sex,label\n1,f,a\n2,m,b\n"
    assert list(read(text, groups=["sex"]).inputs) == ["age", "sex"]
    assert list(read(text, groups=["sex"], drop=["sex"]).inputs) == ["age"]
    assert list(read(text, groups="sex", features=["age"]).inputs) == ["age"]
    assert read(text, groups=["sex", "age"], drop=["sex"]).groups["age"].tolist() == ["1", "2"]
    assert read(text, groups=["sex"], drop=["sex"]).groups["sex"].tolist() == ["f", "m"]


def test_features_are_in_the_order_asked_for(read):
    assert list(read("a,b,c,label\n1,2,3,x\n", features=["c", "a"]).inputs) == ["c", "a"]


def test_the_kind_of_a_column_can_be_said(read):
    rows = read("zip,label\n0123,a\n4,b\n", categorical=["zip"])
    assert rows.inputs["zip"].tolist() == ["0123", "4"]


def test_without_label_the_rows_are_unlabeled(read):
    rows = read("a,b\n1,2\n", label=None)
    assert rows.labels is None
    assert list(rows.inputs) == ["a", "b"]


@pytest.mark.parametrize(
    ("cells", "labels", "names", "index"),
    [
        (["10", "2", "10"], (), ("2", "10"), [1, 0, 1]),
        (["1.0", "0.0", "1.0"], (), ("0", "1"), [1, 0, 1]),
        (["05", "5", "x"], (), ("05", "5", "x"), [0, 1, 2]),
        (["b", "a", "b"], ("b", "a", "c"), ("b", "a", "c"), [0, 1, 0]),
        (["1", "0", "1"], ("cat", "dog"), ("cat", "dog"), [1, 0, 1]),
        (["2", "1", "2"], ("1", "2", "3"), ("1", "2", "3"), [1, 0, 1]),
    ],
)
def test_labels_are_matched_by_name_before_by_index(read, cells, labels, names, index):
    rows = read("a,label\n" + "".join(f"1,{cell}\n" for cell in cells), "t.csv", labels)
    assert rows.names == names
    assert rows.labels.tolist() == index


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", {}, "t.csv is empty.\n  It needs a header line and rows"),
        ("\n\n", {}, "t.csv is empty"),
        ("a,label\n", {}, "t.csv has a header and no rows"),
        (
            PEOPLE,
            {"label": "jobs"},
            "t.csv:1: there is no column 'jobs'. Did you mean 'job'?\n  Set `label:` to one of the columns: age, job, label",
        ),
        (PEOPLE, {"groups": ["sex"]}, "no column 'sex'.\n  Set `groups:`"),
        (PEOPLE, {"drop": ["agee"]}, "no column 'agee'. Did you mean 'age'?\n  Set `drop:`"),
        (PEOPLE, {"features": ["x"]}, "Set `features:`"),
        (PEOPLE, {"features": ["age", "label"]}, "the label 'label' is among `features:`"),
        (PEOPLE, {"drop": ["age", "job"]}, "no column is left as a feature"),
        (",a,label\n0,1,x\n", {}, "t.csv:1: column 1 has no name; an index column?"),
        ("a,a,label\n0,1,x\n", {}, "t.csv:1: the column 'a' stands there 2 times"),
        ("a,label\n1,x\n\n1,2,y\n", {}, "t.csv:4: the row has 3 cells; the table has 2 columns"),
        ("a,label\n1,x\n2\n", {}, "t.csv:3: the row has 1 cells"),
        ("a,label\n1,x\n2,\n", {}, "t.csv:3: the row has no label ('')"),
        ("a,label\n1,x\nnan,y\n", {}, "t.csv:3: column 'a' holds 'nan'; numbers must be finite"),
        ("a,label\n1,x\n-inf,y\n", {}, "t.csv:3: column 'a' holds '-inf'; numbers must be finite"),
        ("a,label\n1,x\n1e39,y\n", {}, "t.csv:3: column 'a' holds '1e39'; numbers must be finite"),
        ("a,label\n1,x\nold,y\n", {"numeric": ["a"]}, "t.csv:3: column 'a' holds 'old'; it is a column of numbers"),
        ('a,label\n"1,x\n', {}, "t.csv:2: a cell begins with a quote here, and no quote ends it"),
        (
            'a,label\n"1" or 2,x\n',
            {},
            "t.csv:2: something follows the quote that ends a cell; a quote within a quoted cell is written twice",
        ),
        ("a,label\r1,x\r", {}, "t.csv:1: its lines end as on old Macs, with CR alone; save it with usual line ends"),
        (PEOPLE, {"separator": ";;"}, "separator: ';;' is not one sign.\n  Write"),
        ("a^label\n1^x\n", {}, "comma, a semicolon, a tab, a bar, name it with `separator:`"),
        ("a;label\n1;x\n1;2;y\n", {}, "t.csv:3: the row has 3 cells; the table has 2 columns.\n  Cells are parted by a semicolon: quote"),
        ("a;label\n;x\n1,5;x\n2;y\n", {}, "t.csv:3: column 'a' holds '1,5', a number with a decimal comma.\n  Write the numbers with"),
        ("a;label\n1.234,5;y\n", {"numeric": ["a"]}, "holds '1.234,5'; it is a column of numbers.\n  Write it with a decimal point."),
        (b"a,label\n1,x\n2,\xe9t\xe9\n", {}, "t.csv:3: byte 3 of the line (0xe9) is not UTF-8"),
        ("a,label\n1,x\n2,\0\n", {}, "t.csv:3: there is a NUL byte"),
        ("a,label\n1," + "x" * 4_200_000, {}, "t.csv:2: a cell is longer than 4 MiB; is a quote missing?"),
    ],
)
def test_broken_files_are_refused_with_file_and_line(read, text, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(text, **columns)


def test_a_label_that_is_not_in_the_list_is_refused_with_its_line(read):
    with pytest.raises(
        BadData, match=re.escape("t.csv:3: the label 'dgo' is not one of the 2 in `labels:` (cat, dog). Did you mean 'dog'?")
    ):
        read("a,label\n1,cat\n1,dgo\n", "t.csv", ("cat", "dog"))
    with pytest.raises(BadData, match=re.escape("t.csv:2: the label '0' is not one of the 2")):
        read("a,label\n1,0\n1,2\n", "t.csv", ("cat", "dog"))


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path):
    (tmp_path / "train.csv").write_text(PEOPLE)
    with pytest.raises(BadData, match=re.escape("trian.csv: no such file in") + ".*" + re.escape("Did you mean 'train.csv'?")):
        Csv().read("trian.csv", tmp_path, {}, ())
    (tmp_path / "sub.csv").mkdir()
    with pytest.raises(BadData, match=r"sub\.csv is a folder"):
        Csv().read("sub.csv", tmp_path, {}, ())


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"PAR1", "a parquet file, not a text file.\n  Give it the ending .parquet"),
        (b"PK\3\4", "a zip archive, not a text file.\n  Unpack it, and name the file in it. An .xlsx file is one too"),
        (gzip.compress(PEOPLE.encode(), mtime=0), "packed with gzip, not a text file.\n  Unpack it"),
        (PEOPLE.encode("utf-16"), "text in UTF-16, not a text file.\n  Save it as UTF-8"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
    ],
)
def test_files_of_another_kind_are_named(read, head, found):
    with pytest.raises(BadData, match=re.escape(f"t.csv is {found}")):
        read(head + b"\0" * 40)


def test_200_mb_of_random_bytes_or_one_line_are_refused_at_once(tmp_path):
    block = np.random.default_rng(0).bytes(1_000_000)
    with (tmp_path / "random.csv").open("wb") as random, (tmp_path / "line.csv").open("wb") as line:
        for _ in range(200):
            random.write(block)
            line.write(b"0123456789" * 100_000)
    tracemalloc.start()
    with pytest.raises(BadData, match=r"random\.csv:1: (byte \d+ of the line \(0x..\) is not UTF-8|there is a NUL byte)"):
        Csv().read("random.csv", tmp_path, {}, ())
    with pytest.raises(BadData, match=r"line\.csv:1: the line is longer than 16 MiB"):
        Csv().read("line.csv", tmp_path, {}, ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_a_header_of_a_million_columns_is_refused_by_name(read):
    with pytest.raises(
        BadData, match=re.escape("t.csv:1: there is no column 'label'.") + r".*\n  Set `label:` to one of the columns: 0, 1, 2"
    ):
        read(",".join(map(str, range(1_000_000))))


@pytest.mark.skipif(not ADULT.is_dir(), reason="the Adult data are not on this machine")
def test_adult_is_read_as_its_owners_wrote_it():
    names = [
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "years",
        "marital",
        "job",
        "relation",
        "race",
        "sex",
        "gain",
        "loss",
        "hours",
        "country",
        "income",
    ]
    columns = {"names": names, "comment": "|", "label": "income", "label_suffix": ".", "missing": ["?"], "groups": ["sex"]}
    train, test = (Csv().read(name, ADULT, columns, ()) for name in ("adult.data", "adult.test"))
    assert (len(train), len(test), train.names, test.names) == (32561, 16281, ("<=50K", ">50K"), ("<=50K", ">50K"))
    assert [int(rows.labels.sum()) for rows in (train, test)] == [7841, 3846]  # as the owners' description counts them
    assert [name for name in names[:-1] if train.inputs[name].dtype == np.float32] == ["age", "fnlwgt", "years", "gain", "loss", "hours"]
    assert set(test.groups["sex"]) == {"Male", "Female"}


@pytest.mark.parametrize("byte", [b"\xff", b"\0", b"x", b",", b'"', b"\n"])
def test_200_mb_of_garbage_are_refused_in_little_memory(tmp_path, byte):
    path = tmp_path / "garbage.csv"
    with path.open("wb") as file:
        file.write(byte * 1000)
        file.truncate(200_000_000)  # the rest is a hole of NUL bytes
    tracemalloc.start()
    with pytest.raises(BadData, match=r"garbage\.csv:(1|1001): (the line is longer than 16 MiB|there is a NUL byte)"):
        Csv().read("garbage.csv", tmp_path, {}, ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6
