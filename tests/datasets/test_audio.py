"""Folders and zip files of sounds, and zip files of images: a folder per class, files as they are, damage by name."""

import io
import re
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData
from paredown.datasets.audio import Audio
from paredown.datasets.images import Images
from paredown.ground.host import host
from paredown.ingest import folders, sources
from paredown.ingest.any_source import read_rows
from paredown.rows.columns import on_disk
from paredown.rows.rowfile import read_rows as read_file
from paredown.rows.rowfile import write_rows
from paredown.testing.contracts import check_dataset
from sound_files import tone, wav

SOUNDS = {"yes/b.wav": 300, "yes/a.wav": 500, "no/c.WAV": 700}


def sound(hertz):
    return wav(tone(hertz, 0.05))


@pytest.fixture
def words(tmp_path):
    """`words/{yes,no}` with what else lies in such folders."""
    for name, hertz in SOUNDS.items():
        path = tmp_path / "words" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound(hertz))
    (tmp_path / "words/yes/.hidden.wav").write_text("x")
    (tmp_path / "words/yes/notes.txt").write_text("x")
    (tmp_path / "words/.git").mkdir()
    return tmp_path


def packed(folder, name="words.zip", top=""):
    """The folder as a zip file, with what some systems add."""
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        if top:
            archive.mkdir(top.rstrip("/"))
        for path in sorted((folder / "words").rglob("*")):
            if ".git" not in path.parts:
                archive.write(path, f"{top}{path.relative_to(folder / 'words')}")
        archive.writestr(f"__MACOSX/{top}yes/._a.wav", b"x")
    return name


def test_contract(words):
    check_dataset(Audio(), "words", words)
    check_dataset(Audio(), packed(words), words)


@pytest.mark.parametrize("top", ["", "words/", "data/words/"])
def test_a_zip_file_gives_what_its_folder_gives(words, top):
    expected = read_rows("words", words, {}, ())
    assert (expected.names, expected.labels.tolist()) == (("no", "yes"), [0, 1, 1])
    assert expected.inputs.tolist() == [sound(700), sound(500), sound(300)]
    found = read_rows(packed(words, top=top), words, {}, ())
    assert found.digest() == expected.digest()
    assert found.labels.tolist() == expected.labels.tolist()


def test_labels_follow_the_model_and_unlabeled_sounds_need_no_folders(words):
    (words / "words/loose.wav").write_bytes(sound(900))
    for source in ("words", packed(words)):
        assert read_rows(source, words, {}, ("yes", "no")).labels.tolist() == [1, 0, 0]
        with pytest.raises(BadData, match=rf"{source}/yes/a\.wav: the label 'yes' is not one of the 2 in `labels:` \(no, maybe\)"):
            read_rows(source, words, {}, ("no", "maybe"))
        rows = read_rows(source, words, {"label": None}, ())
        assert (rows.inputs[0], len(rows), rows.labels) == (sound(900), 4, None)


def test_many_sounds_stay_on_disk(words, monkeypatch):
    expected = {source: read_rows(source, words, {}, ()) for source in ("words", packed(words))}
    monkeypatch.setattr(folders, "is_large", lambda needed_b, file_b: True)
    monkeypatch.setattr(folders, "PIECE_ROWS", 2)
    for source, rows in expected.items():
        found = read_rows(source, words, {}, ())
        assert on_disk(found)
        write_rows(found, words / "some.npz")
        for one in (found, read_file(words / "some.npz")):
            assert (one.digest(), one.names, one.labels[:].tolist()) == (rows.digest(), rows.names, rows.labels.tolist())
            assert one.inputs[:].tolist() == rows.inputs.tolist()


def emptied(folder):
    (folder / "words/maybe").mkdir()


def flat(folder):
    shutil.rmtree(folder / "words/no")
    for path in (folder / "words/yes").glob("?.wav"):
        path.rename(folder / "words" / path.name)
    shutil.rmtree(folder / "words/yes")


def cut_short(folder):
    (folder / "words/yes/a.wav").write_bytes(sound(300)[:200])


def no_sound(folder):
    (folder / "words/no/c.WAV").write_text("not a sound, whatever it is called")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (emptied, "/maybe holds no sounds.\n  Each folder is a class; add sounds (.wav, .flac"),
        (flat, " holds sounds but no folders.\n  Put the sounds of each class into a folder with its name"),
        (cut_short, "/yes/a.wav is cut short: it announces 800 bytes of sound and holds 156.\n  Remove or replace the file."),
        (no_sound, "/no/c.WAV "),
    ],
)
def test_wrong_folders_are_refused_by_file(words, change, text):
    change(words)
    for source in ("words", packed(words)):
        with pytest.raises(BadData, match=rf"^{re.escape(source + text)}"):
            read_rows(source, words, {}, ())


def test_groups_are_columns_and_folders_have_none(words):
    with pytest.raises(BadData, match=re.escape("words is a folder of sounds, which has no column 'speaker'.\n  Leave `groups:` out.")):
        Audio().read("words", words, {"groups": ["speaker"]}, ())


def test_what_is_not_there_or_no_zip_file_is_told(words):
    packed(words)
    with pytest.raises(BadData, match=r"word\.zip: no such folder or \.zip file in .*Did you mean 'words\.zip'\?"):
        read_rows("word.zip", words, {}, ())
    (words / "no.zip").write_bytes(b"PK no zip")
    with pytest.raises(BadData, match=r"no\.zip is not a whole zip file \(File is not a zip file\)"):
        read_rows("no.zip", words, {}, ())
    with zipfile.ZipFile(words / "table.zip", "w") as archive:
        archive.writestr("table.csv", "a,b\n1,2\n")
    with pytest.raises(BadData, match=r"table\.zip holds neither images nor sounds\.\n  Pack folders of them"):
        read_rows("table.zip", words, {}, ())
    (words / "empty").mkdir()
    with pytest.raises(BadData, match="or one of images or sounds with a folder per class"):
        read_rows("empty", words, {}, ())


def test_a_damaged_or_locked_entry_is_named(words):
    data = bytearray((words / packed(words)).read_bytes())
    with zipfile.ZipFile(words / "words.zip") as archive:
        entry = archive.getinfo("yes/a.wav")
    data[entry.header_offset + 30 + len("yes/a.wav") + 20] ^= 0xFF
    (words / "words.zip").write_bytes(data)
    with pytest.raises(BadData, match=r"words\.zip/yes/a\.wav cannot be unpacked \(.*\)\.\n  Pack it again, without a password\."):
        read_rows("words.zip", words, {}, ())
    data[entry.header_offset + 30 + len("yes/a.wav") + 20] ^= 0xFF
    for head, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag that says encrypted
        place = data.index(head)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(head, place + 4)
    (words / "words.zip").write_bytes(data)
    with pytest.raises(BadData, match=r"words\.zip/no/c\.WAV cannot be unpacked \(.*(encrypted|password).*\)"):
        read_rows("words.zip", words, {}, ())


def test_an_archive_that_announces_more_than_the_memory_is_refused_unread(words, monkeypatch):
    packed(words)
    monkeypatch.setattr(sources, "host", lambda: replace(host(), memory_b=4000))
    with pytest.raises(
        BadData, match=r"words\.zip announces files: 2\.5\de-06 GB in memory; half of this machine's 4e-06 GB is the most\."
    ):
        read_rows("words.zip", words, {}, ())


def test_images_come_from_zip_files_too(tmp_path):
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("cat/1.png", "dog/2.png"):
            file = io.BytesIO()
            Image.fromarray(draw.integers(0, 255, (5, 6, 3)).astype(np.uint8)).save(file, "PNG")
            archive.writestr(f"photos/{name}", file.getvalue())
            (tmp_path / "photos" / name).parent.mkdir(parents=True)
            (tmp_path / "photos" / name).write_bytes(file.getvalue())
    for columns in ({}, {"preprocess": {"resize": 4}}):
        found = check_dataset(Images(), "photos.zip", tmp_path, columns)
        assert found.digest() == Images().read("photos", tmp_path, columns, ()).digest()
