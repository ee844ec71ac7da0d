"""Pictures of someone else's: every format gives the same bytes, and what is wrong is named."""

import io
import json
import os
import shutil
import struct
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sid_sweep.foreign.pictures import Facts, facts, folder_of, pictures

SIDE, NUM = 8, 6
NAMES = [f"{own}/{i}.png" for own in ("cat", "dog", "eel") for i in range(2)]
LABELS = [0, 0, 1, 1, 2, 2]


def pixels(channels=3, num=NUM):
    """[N, H, W, C]"""
    return np.random.default_rng(0).integers(0, 256, (num, SIDE, SIDE, channels), dtype=np.uint8)


def encoded(array, kind="PNG", **options):
    """One picture [H, W, C] as a file."""
    content = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(content, kind, **options)
    return content.getvalue()


def write_folder(path, own, names=NAMES):
    for name, picture in zip(names, own, strict=True):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(encoded(picture))
    return path


def write_zip(path, own, labels=LABELS):
    """As EDM's dataset tool lays it out."""
    names = [f"{i // 4:05d}/img{i:08d}.png" for i in range(len(own))]
    with zipfile.ZipFile(path, "w") as file:
        for name, picture in zip(names, own, strict=True):
            file.writestr(name, encoded(picture))
        pairs = labels and [[name, label] for name, label in zip(names, labels, strict=True)]
        file.writestr("dataset.json", json.dumps({"labels": pairs}))
    return path


def write_parquet(path, own, labels=LABELS, *, bare=False, names=("cat", "dog", "eel")):
    """As the hub's library writes it."""
    content = [encoded(picture) for picture in own]
    rows = content if bare else [{"bytes": one, "path": None} for one in content]
    table = pa.table({"image": rows, "label": pa.array(labels, pa.int64())})
    features = {"label": {"names": list(names), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=4)
    return path


def write_shards(path, own):
    path.mkdir()
    write_parquet(path / "train-00000-of-00002.parquet", own[:4], LABELS[:4])
    write_parquet(path / "train-00001-of-00002.parquet", own[4:], LABELS[4:])
    return path


def write_npy(path, own):
    np.save(path, own)
    return path


def write_npz(path, own, *, order=(0, 1, 2, 3)):
    np.savez(path, images=own.transpose(order), labels=np.array(LABELS))
    return path


FORMATS = {
    "folder": (lambda path, own: write_folder(path / "a", own), 3),
    "zip": (lambda path, own: write_zip(path / "a.zip", own), 3),
    "unlabelled zip": (lambda path, own: write_zip(path / "a.zip", own, None), 0),
    "parquet": (lambda path, own: write_parquet(path / "a.parquet", own), 3),
    "bare parquet": (lambda path, own: write_parquet(path / "a.parquet", own, bare=True), 3),
    "shards": (lambda path, own: write_shards(path / "a", own), 3),
    "npy": (lambda path, own: write_npy(path / "a.npy", own), 0),
    "npz": (lambda path, own: write_npz(path / "a.npz", own), 3),
    "channels first": (lambda path, own: write_npz(path / "a.npz", own, order=(0, 3, 1, 2)), 3),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_pixels_that_were_put_in(kind, channels, tmp_path):
    write, num_classes = FORMATS[kind]
    own = pixels(channels)
    path = str(write(tmp_path, own))
    assert facts(path) == Facts(NUM, SIDE, SIDE, channels, num_classes)
    read = pictures(path, cache=tmp_path / "cache")
    assert isinstance(read.images, np.memmap)
    assert (read.images.dtype, read.images.shape) == (np.uint8, (NUM, channels, SIDE, SIDE))
    np.testing.assert_array_equal(read.images, own.transpose(0, 3, 1, 2))
    assert (read.labels is None) == (num_classes == 0)
    if read.labels is not None:
        assert read.labels.tolist() == LABELS
    scaled = own.astype(np.float64) / 127.5 - 1
    assert read.sigma_data == pytest.approx((scaled - scaled.mean(0)).std(), rel=1e-12)


def test_folders_are_classes_in_the_order_of_their_names_wherever_they_lie(tmp_path):
    names = [f"data/train/{name}" for name in NAMES]
    path = write_folder(tmp_path / "a", pixels(), names)
    assert pictures(str(path), cache=tmp_path / "cache").classes == ["cat", "dog", "eel"]


def test_pictures_in_one_folder_have_no_classes_and_other_files_are_counted(tmp_path):
    path = write_folder(tmp_path / "a", pixels(), [f"sub/{i}.png" for i in range(NUM)])
    (path / "README.md").touch()
    (path / ".DS_Store").touch()
    assert facts(str(path)) == Facts(NUM, SIDE, SIDE, 3, 0, ignored=1)
    assert str(facts(str(path))) == "6 pictures of 8 x 8, colour; 1 other files are ignored"


def test_many_blocks_of_pictures_keep_their_order(tmp_path):
    own = pixels(1, num=300)
    path = write_folder(tmp_path / "a", own, [f"{i:03d}.png" for i in range(300)])
    seen = []
    read = pictures(str(path), cache=tmp_path / "cache", report=lambda *now: seen.append(now))
    np.testing.assert_array_equal(read.images, own.transpose(0, 3, 1, 2))
    assert (seen[0], seen[-1]) == ((0, 300), (300, 300))


def test_pictures_are_decoded_once_for_what_they_hold_and_not_where_they_lie(tmp_path):
    cache = tmp_path / "cache"
    path = write_folder(tmp_path / "a", pixels())
    pictures(str(path), cache=cache)
    path.rename(tmp_path / "b")
    pictures(str(tmp_path / "b"), cache=cache, report=lambda *_: pytest.fail("decoded again"))
    other = write_folder(tmp_path / "a", pixels()[::-1])
    images = pictures(str(other), cache=cache).images
    np.testing.assert_array_equal(images, pixels()[::-1].transpose(0, 3, 1, 2))
    assert len(list((cache / "pictures").glob("*-v*[0-9]"))) == 2


def test_lossy_formats_are_read_as_pillow_reads_them(tmp_path):
    (tmp_path / "a").mkdir()
    smooth = np.linspace(0, 255, 2 * SIDE**2 * 3).astype(np.uint8).reshape(2, SIDE, SIDE, 3)
    for name, kind, picture in zip(("0.JPG", "1.webp"), ("JPEG", "WEBP"), smooth, strict=True):
        (tmp_path / "a" / name).write_bytes(encoded(picture, kind))
    read = pictures(str(tmp_path / "a"), cache=tmp_path / "cache").images
    for own, name in zip(read, ("0.JPG", "1.webp"), strict=True):
        expected = np.asarray(Image.open(tmp_path / "a" / name))
        np.testing.assert_array_equal(own, expected.transpose(2, 0, 1))


# ---- what is refused


def deep_png():
    """A colour picture of 16 bits, which Pillow cannot write and reads as one of 8."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(SIDE * 6)) * SIDE)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def bomb(side):
    """A file of some bytes that claims to be a large picture."""
    png = bytearray(encoded(pixels(1)[0]))
    png[16:24] = struct.pack(">II", side, side)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


GOOD = encoded(pixels()[0])
RGBA = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
FRAMES = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue")]


def saved(image, kind="PNG", **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(np.zeros((SIDE, 4, 3), np.uint8)), "is 4 x 8; pictures are square, so crop"),
        (encoded(np.zeros((4, 4, 3), np.uint8)), "is 4 x 4, and 0.png is 8 x 8; crop or resize"),
        (encoded(np.zeros((SIDE, SIDE, 1), np.uint8)), "is grey, and 0.png is colour; convert"),
        (deep_png(), "has 16 bits a channel; convert it to 8"),
        (saved(Image.new("I;16", (SIDE, SIDE))), "has 16 bits a channel; convert it to 8"),
        (encoded(RGBA), "has an alpha channel; flatten it"),
        (saved(Image.new("LA", (SIDE, SIDE))), "has an alpha channel; flatten it"),
        (saved(Image.new("P", (SIDE, SIDE)), transparency=0), "has an alpha channel; flatten it"),
        (saved(Image.new("CMYK", (SIDE, SIDE)), "JPEG"), "is CMYK; convert it to RGB"),
        (
            saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]),
            "has several frames; save one of them",
        ),
        (saved(FRAMES[0], "GIF"), "is no PNG, JPEG or WebP; restore it, or leave such"),
        (bomb(8192), "is 8192 x 8192; at most 4096 pixels a side"),
        (bomb(100_000), "claims more than 4096 pixels a side; resize it"),
        (GOOD[: len(GOOD) // 2], "cannot be decoded .*; restore it, or leave such pictures out"),
        (b"", "is no PNG, JPEG or WebP; restore it, or leave such pictures out"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_picture_that_is_not_taken_is_named_with_the_rule(content, reason, tmp_path):
    path = write_folder(tmp_path / "a", pixels(), [f"{i}.png" for i in range(NUM)])
    (path / "3.png").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{path}: 3\.png: {reason}") as caught:
        pictures(str(path), cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    left = [p for p in (tmp_path / "cache" / "pictures").iterdir() if p.suffix != ".lock"]
    assert left == []


def test_corrupt_pictures_are_left_out_and_counted_where_that_is_asked_for(tmp_path):
    path, cache = write_folder(tmp_path / "a", pixels()), tmp_path / "cache"
    (path / "cat/1.png").write_bytes(GOOD[: len(GOOD) // 2])
    (path / "eel/0.png").write_bytes(b"nothing")
    read = pictures(str(path), cache=cache, skip_corrupt=True)
    np.testing.assert_array_equal(read.images, pixels()[[0, 2, 3, 5]].transpose(0, 3, 1, 2))
    assert read.labels is not None
    assert read.labels.tolist() == [0, 1, 1, 2]
    assert [text.split(": ")[0] for text in read.skipped] == ["cat/1.png", "eel/0.png"]
    with pytest.raises(ValueError, match=rf"^{path}: cat/1\.png: cannot be decoded"):
        pictures(str(path), cache=cache)  # though the cache has the others


def test_a_look_at_the_first_passes_over_corrupt_ones_where_that_is_asked_for(tmp_path):
    path = write_folder(tmp_path / "a", pixels())
    (path / "cat/0.png").write_bytes(b"nothing")
    assert facts(str(path), skip_corrupt=True).num == NUM
    with pytest.raises(ValueError, match=r"cat/0\.png: is no PNG"):
        facts(str(path))


def test_all_corrupt_or_all_alike_is_nothing_to_learn_from(tmp_path):
    path = write_folder(tmp_path / "a", pixels()[:1], ["a.png"])
    with pytest.raises(ValueError, match="all its pictures are one, bit for bit"):
        pictures(str(path), cache=tmp_path / "cache")
    (path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="not one"):
        pictures(str(path), cache=tmp_path / "cache", skip_corrupt=True)
    with pytest.raises(ValueError, match="not one"):
        facts(str(path), skip_corrupt=True)


def refused(path, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        facts(str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_what_holds_no_pictures_is_refused(tmp_path):
    refused(tmp_path, "holds no pictures; it takes .png, .jpg, .jpeg, .webp")
    (tmp_path / "a.tar").touch()
    refused(tmp_path / "a.tar", "is nothing that pictures are read from")
    refused(tmp_path / "nowhere", "there is no such file or folder")


def test_a_picture_beside_the_folders_of_classes_is_named(tmp_path):
    path = write_folder(tmp_path / "a", pixels())
    (path / "stray.png").write_bytes(GOOD)
    refused(path, "stray.png lies beside the folders of classes and has none")


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ({"labels": [["0.png", 0]]}, "dataset.json has no label for 1.png; every picture or none"),
        ({"labels": [["0.png", 0], ["1.png", 1], ["2.png", 1]]}, "has a label for 2.png, and"),
        ({"labels": [["0.png", 0], ["1.png", -1]]}, "1.png has the label -1; a label is the whole"),
        ({"labels": [["0.png", [0.1]], ["1.png", [0.2]]]}, r"0.png has the label \[0.1\]"),
        ({"labels": [["0.png", 0], ["1.png", True]]}, "1.png has the label True"),
        ({"labels": 3}, "is not as EDM's dataset tool writes it"),
        ([], "is not as EDM's dataset tool writes it"),
    ],
)  # fmt: skip
def test_an_index_that_is_not_that_of_the_pictures_is_refused(index, reason, tmp_path):
    path = write_folder(tmp_path / "a", pixels()[:2], ["0.png", "1.png"])
    (path / "dataset.json").write_text(json.dumps(index))
    refused(path, reason)


def test_folders_are_no_classes_beside_an_index(tmp_path):
    path = write_folder(tmp_path / "a", pixels())
    (path / "dataset.json").write_text('{"labels": null}')
    assert facts(str(path)).num_classes == 0
    names = [[name.replace("/", "\\"), 5] for name in NAMES]  # as the tool writes on Windows
    (path / "dataset.json").write_text(json.dumps({"labels": names}))
    assert facts(str(path)).num_classes == 6


def test_a_zip_that_is_cut_or_locked_or_changed_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", pixels())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "is no whole zip")
    path.write_bytes(whole.replace(GOOD[-40:-20], bytes(20)))
    refused(path, "img00000000.png cannot be unpacked .*CRC")
    encrypted = bytearray(whole)
    encrypted[encrypted.rindex(b"PK\x01\x02", 0, encrypted.index(b"PK\x01\x02") + 4) + 8] |= 1
    path.write_bytes(encrypted)
    refused(path, "img00000000.png is encrypted")


def test_a_picture_that_unpacks_to_more_than_any_is_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", pixels())
    monkeypatch.setattr("sid_sweep.foreign.trees.LARGEST_BYTES", 10)
    refused(path, "img00000000.png unpacks to more than 10 bytes")


class Hostile:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("save", [np.save, np.savez], ids=["npy", "npz"])
def test_objects_are_never_unpickled(save, tmp_path):
    objects = np.empty((2, 8, 8, 1), dtype=object)
    objects.fill(Hostile())
    path = tmp_path / ("a.npy" if save is np.save else "a.npz")
    save(path, objects)
    refused(path, "holds Python objects, which only unpickling could read")


def test_labels_are_never_unpickled(tmp_path):
    labels = np.empty(NUM, dtype=object)
    labels.fill(Hostile())
    np.savez(tmp_path / "a.npz", images=pixels(), labels=labels)
    refused(tmp_path / "a.npz", "labels are Python objects; save whole numbers")


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (pixels() / 255, "holds float64; pictures are bytes from 0 to 255"),
        (pixels()[0, :, 0], "has the shape .8, 3.; pictures are"),
        (pixels(4), "none of which is 1 or 3 channels; drop the alpha channel"),
        (pixels(5), "none of which is 1 or 3 channels; one for grey"),
        (np.zeros((9, 3, 4, 3), np.uint8), "which of them are channels"),
        (np.zeros((9, 4, 6, 3), np.uint8), "holds pictures of 6 x 4; pictures are square"),
        (np.zeros((0, 8, 8, 3), np.uint8), "has the shape .0, 8, 8, 3."),
    ],
)
def test_an_array_that_is_no_pictures_is_refused(array, reason, tmp_path):
    refused(write_npy(tmp_path / "a.npy", array), reason)


def test_a_cut_array_is_refused(tmp_path):
    for path in (write_npy(tmp_path / "a.npy", pixels()), write_npz(tmp_path / "a.npz", pixels())):
        path.write_bytes(path.read_bytes()[:-100])
        refused(path, "is no whole .np")
        path.write_bytes(b"nothing")
        refused(path, "is no whole .np")


def test_an_archive_of_several_arrays_or_of_wrong_labels_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=pixels(), b=pixels())
    refused(path, "it takes one array of pictures")
    np.savez(path, images=pixels(), labels=np.arange(5))
    refused(path, r"has labels \[5\] for 6 pictures; give one each")
    np.savez(path, images=pixels(), labels=np.arange(6) - 1)
    refused(path, "picture 0 has the label -1")


def test_a_table_that_holds_no_pictures_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [1.0]}), path)
    refused(path, "has no columns of pictures among x: double")
    pq.write_table(pa.table({"a": [GOOD], "b": [GOOD]}), path)
    refused(path, "has 2 columns of pictures")
    pq.write_table(pa.table({"a": pa.array([], pa.binary())}), path)
    refused(path, "holds no pictures")
    paths = pa.array(
        [{"bytes": None, "path": "a.png"}], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    pq.write_table(pa.table({"image": paths}), path)
    refused(path, "row 0 holds no bytes; embed the files")
    path.write_bytes(path.read_bytes()[:-30])
    refused(path, "cannot be read as Parquet")


def test_labels_of_a_table_are_those_of_its_classes(tmp_path):
    path = tmp_path / "a.parquet"
    refused(
        write_parquet(path, pixels(), [0, 0, 1, 1, 2, 3]), "row 5 has the label 3, and there are 3"
    )
    refused(write_parquet(path, pixels(), [-1] * NUM), "row 0 has the label -1")
    refused(write_parquet(path, pixels(), [0, 0, 1, 1, 2, None]), "row 5 has the label None")
    assert pictures(str(write_parquet(path, pixels())), cache=tmp_path).classes == [
        "cat",
        "dog",
        "eel",
    ]


def test_shards_with_other_columns_are_refused(tmp_path):
    path = write_shards(tmp_path / "a", pixels())
    pq.write_table(pa.table({"image": [GOOD]}), path / "z.parquet")
    refused(path, "z.parquet has other columns than train-00000-of-00002.parquet")


def garbled(name, content):
    def damage(folder):
        (folder / name).write_bytes(content)

    return damage


def zeroed(folder):
    """Bytes that a disk has lost, in a file of the right length."""
    path = folder / "images.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-SIDE] + bytes(SIDE))


def another_number(folder):
    """A digit of the deviation, which scales all that is learnt."""
    path = folder / "facts.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"sigma_data": known["sigma_data"] * 2}))


def no_folder(folder):
    shutil.rmtree(folder)
    folder.write_text("x")


SEEN = {
    "images empty": garbled("images.npy", b""),
    "images cut": lambda folder: os.truncate(folder / "images.npy", 200),
    "images of another kind": lambda folder: np.save(folder / "images.npy", np.zeros((6, 8))),
    "labels empty": garbled("labels.npy", b""),
    "labels too few": lambda folder: np.save(folder / "labels.npy", np.arange(3)),
    "facts empty": garbled("facts.json", b""),
    "facts a list": garbled("facts.json", b"[1]"),
    "facts not finite": garbled("facts.json", b'{"sigma_data": NaN}'),
    "facts gone": lambda folder: (folder / "facts.json").unlink(),
    "a file": no_folder,
}
SUMMED = {"zeroed": zeroed, "another number": another_number}


@pytest.mark.parametrize("kind", SEEN | SUMMED)
def test_a_damaged_cache_is_set_aside_and_decoded_again(kind, tmp_path):
    path, cache = str(write_folder(tmp_path / "a", pixels())), tmp_path / "cache"
    whole = pictures(path, cache=cache)
    expected = np.array(whole.images)
    folder = folder_of(path, cache=cache)
    (SEEN | SUMMED)[kind](folder)
    again = pictures(path, cache=cache, sum_too=kind in SUMMED)
    np.testing.assert_array_equal(again.images, expected)
    assert again.labels is not None
    assert again.labels.tolist() == LABELS
    assert again.sigma_data == whole.sigma_data
    names = {own.name for own in folder.parent.iterdir()}
    assert names == {folder.name, f"{folder.name}.damaged", f"{folder.name}.lock"}
    pictures(path, cache=cache, sum_too=True, report=lambda *_: pytest.fail("decoded again"))


def test_what_a_killed_process_left_half_decoded_is_dropped(tmp_path):
    path, cache = str(write_folder(tmp_path / "a", pixels())), tmp_path / "cache"
    folder = folder_of(path, cache=cache)
    half = folder.with_name(f".{folder.name}.4711.tmp")
    half.mkdir(parents=True)
    (half / "images.npy").touch()
    pictures(path, cache=cache)
    assert not half.exists()


def test_half_a_cache_is_never_seen(tmp_path):
    """What a kill leaves has another name, and is written over."""
    path = write_folder(tmp_path / "a", pixels())

    class Killed(BaseException):
        pass

    def kill(done, total):
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        pictures(str(path), cache=tmp_path / "cache", report=kill)
    assert not folder_of(str(path), cache=tmp_path / "cache").exists()
    assert len(pictures(str(path), cache=tmp_path / "cache").images) == NUM
