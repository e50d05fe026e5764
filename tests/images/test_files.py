"""Images from elsewhere: any picture as 32 x 32 colours, and labelled sets in four forms."""

import io
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from crafted import in_both_headers
from PIL import Image

from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES
from mlptrain.errors import DataError
from mlptrain.images import image_file
from mlptrain.images.image_file import load_image
from mlptrain.images.labeled import load_labeled

SOURCES = {**os.environ, "PYTHONPATH": str(Path(image_file.__file__).parents[2])}
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
def loaded(tmp_path):
    """A Pillow image → the array it is read as, by way of a file."""

    def load(image, ending=".png", **options):
        path = tmp_path / f"image{ending}"
        image.save(path, **options)
        return load_image(path)

    return load


def pixels(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def halves(left, right, size=(64, 64)):
    """Two colours side by side; size is width and height."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


# One image.


def test_an_image_of_the_right_size_is_read_as_it_is(loaded):
    own = pixels((32, 32))
    read = loaded(Image.fromarray(own))
    assert (read.dtype, read.shape) == (np.uint8, (32, 32, 3))
    np.testing.assert_array_equal(read, own)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (8, 8), (31, 33), (640, 480)])
def test_an_image_of_any_size_becomes_32_by_32(loaded, size):
    read = loaded(Image.new("RGB", size, (10, 200, 30)))
    assert read.shape == (32, 32, 3)
    assert set(map(tuple, read.reshape(-1, 3).tolist())) == {(10, 200, 30)}


def test_a_larger_image_is_averaged_not_sampled(loaded):
    # Lines finer than the pixels of the result: sampling would give black or white.
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    assert np.abs(loaded(Image.fromarray(lines)).astype(int) - 128).max() < 20


def test_of_an_oblong_image_the_middle_square_is_taken(loaded):
    wide = Image.new("RGB", (96, 32), RED)
    wide.paste(BLUE, (32, 0, 64, 32))
    assert set(map(tuple, loaded(wide).reshape(-1, 3).tolist())) == {BLUE}
    assert set(map(tuple, loaded(wide.rotate(90, expand=True)).reshape(-1, 3).tolist())) == {BLUE}


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_an_image_is_turned_as_its_exif_says(loaded, orientation, turned):
    own = Image.fromarray(pixels((32, 32)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(loaded(own, exif=exif), np.asarray(own.transpose(turned)))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"nonsense" * 9])
def test_damaged_exif_does_not_matter(loaded, exif):
    read = loaded(Image.new("RGB", (32, 32), RED), ".jpg", exif=exif)
    assert read.shape == (32, 32, 3)


def test_transparency_lies_on_white(loaded):
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (16, 0, 32, 32))
    image.paste((0, 0, 0, 128), (0, 0, 4, 4))
    read = loaded(image)
    assert tuple(read[16, 8]) == WHITE
    assert tuple(read[16, 24]) == BLUE
    assert read[1, 1].tolist() == pytest.approx([127, 127, 127], abs=1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_keeps_its_colours(loaded, mode):
    read = loaded(halves(WHITE, BLACK, (32, 32)).convert(mode))
    assert tuple(read[16, 4]) == WHITE
    assert tuple(read[16, 28]) == BLACK


def test_a_palette_with_a_transparent_colour_lies_on_white(loaded):
    image = halves(RED, GREEN, (32, 32)).convert("P", palette=Image.Palette.ADAPTIVE)
    read = loaded(image, transparency=image.getpixel((4, 4)))
    assert tuple(read[16, 4]) == WHITE
    assert tuple(read[16, 28]) == GREEN


def test_16_bits_are_scaled_to_8_and_not_cut_off(loaded):
    levels = np.repeat(np.array([0, 64, 128, 255], np.uint16) * 257, 8)
    read = loaded(Image.fromarray(np.tile(levels, (32, 1))))
    assert read[16, [2, 12, 20, 30], 0].tolist() == pytest.approx([0, 64, 128, 255], abs=2)


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".bmp"])
def test_the_other_formats_are_read(loaded, ending):
    read = loaded(halves(WHITE, BLACK), ending)
    assert read[:, :8].min() > 230
    assert read[:, -8:].max() < 25


def test_cmyk_of_a_printer_is_read_as_colours(loaded):
    read = loaded(Image.new("RGB", (32, 32), RED).convert("CMYK"), ".jpg")
    assert read[16, 16].tolist() == pytest.approx(RED, abs=40)


def test_the_content_decides_not_the_name(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(png_bytes(Image.new("RGB", (4, 4), GREEN)))
    assert tuple(load_image(tmp_path / "cat.jpg")[0, 0]) == GREEN


def png_bytes(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def png_of_size(width, height):
    """A PNG that claims to be so large, and has no pixels."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def gif():
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "GIF")
    return stream.getvalue()


WHOLE = png_bytes(Image.fromarray(pixels((64, 64))))
BROKEN = {
    "empty": b"",
    "text": b"hello\n" * 100,
    "a pickle": pickle.dumps({"image": 1}),
    "a GIF": gif(),
    "PostScript, which Pillow would run a program for": b"%!PS-Adobe-3.0 EPSF-3.0\n%%EOF\n",
    "half a PNG": WHOLE[: len(WHOLE) // 2],
    "a PNG's header": WHOLE[:33],
    "a PNG with damaged pixels": WHOLE[:200] + bytes(len(WHOLE) - 200),
    "a PNG of 60,000 by 60,000": png_of_size(60_000, 60_000),
    "a PNG of 10,001 by 10,000": png_of_size(10_001, 10_000),
    "a PNG of 2**31 - 1 a side": png_of_size(2**31 - 1, 2**31 - 1),
    "a PNG of no width": png_of_size(0, 10),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_image(path)
    assert caught.value.received.startswith(f"{path}: ")
    assert "\n" not in caught.value.received


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_path_without_a_file_is_refused(tmp_path, make):
    make(tmp_path / "cat.png")
    with pytest.raises(DataError, match=r"cat\.png: (No such file|Is a directory)"):
        load_image(tmp_path / "cat.png")


PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


@PIPES
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("cat/x.png", "x.npz", "x.npy"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"x\.png: a pipe, socket or device, not a regular file"):
        load_image(tmp_path / "cat" / "x.png")
    for source in ("x.npz", "x.npy,x.npy"):
        with pytest.raises(DataError, match="a pipe, socket or device"):
            load_labeled(",".join(str(tmp_path / part) for part in source.split(",")), CLASS_NAMES)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_is_refused_also_behind_a_link(tmp_path):
    (tmp_path / "x.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="a pipe, socket or device"):
        load_image(tmp_path / "x.png")


def test_a_file_of_more_than_40_mb_is_not_opened(tmp_path):
    with (tmp_path / "x.png").open("wb") as stream:
        stream.write(WHOLE)
        stream.truncate(40_000_001)
    with pytest.raises(DataError, match="40,000,001 bytes"):
        load_image(tmp_path / "x.png")


def test_webp_may_have_half_as_many_pixels(tmp_path):
    Image.new("RGB", (5_001, 5_000)).save(tmp_path / "x.webp", method=0)
    with pytest.raises(DataError, match="WEBP, 5001 by 5000 pixels"):
        load_image(tmp_path / "x.webp")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "side", "form", "options"),
    [
        ("RGBA", 7_071, "PNG", {"compress_level": 1}),
        ("RGB", 7_071, "JPEG", {}),
        ("CMYK", 7_071, "JPEG", {"progressive": True, "subsampling": 0}),
        ("RGBA", 5_000, "WEBP", {"method": 0}),
        ("I;16", 7_071, "PNG", {"compress_level": 1}),
    ],
)
def test_the_largest_image_takes_less_than_1_gb(tmp_path, mode, side, form, options):
    # Not resource's ru_maxrss: a child begins with its parent's, and this process may be large.
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read the peak of memory from")
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new(mode, (side, side), 999 if mode == "I;16" else (9, 99, 199, 99)[: len(mode)])
    image.save(tmp_path / "x", form, exif=exif, **options)
    code = (
        "import pathlib, sys; from mlptrain.images.image_file import load_image; "
        "load_image(pathlib.Path(sys.argv[1])); "
        "print(pathlib.Path('/proc/self/status').read_text())"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "x")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=SOURCES)
    assert done.returncode == 0, done.stderr
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.MULTILINE)
    assert int(peak) * 1_024 < 10**9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_an_image_of_several_tiles_is_as_one_of_a_single_tile(tmp_path, monkeypatch, mode):
    own = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 90, 4), np.uint8))
    image = (
        Image.fromarray(np.arange(6_300, dtype=np.uint16).reshape(70, 90) * 10)
        if mode == "I;16"
        else own
        if mode == "RGBA"
        else own.convert("RGB").convert(mode)
    )
    image.save(tmp_path / "x.png")
    whole = load_image(tmp_path / "x.png")
    monkeypatch.setattr(image_file, "_TILE", 32)
    np.testing.assert_array_equal(load_image(tmp_path / "x.png"), whole)


def test_of_a_damaged_image_nothing_but_a_refusal_comes(tmp_path):
    """Any byte changed: an image still, or a DataError."""
    draw = np.random.default_rng(0)
    streams = []
    for form in ("PNG", "JPEG", "WEBP", "BMP"):
        stream = io.BytesIO()
        Image.fromarray(pixels((16, 16))).save(stream, form, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
        streams.append(np.frombuffer(stream.getvalue(), np.uint8))
    refused = 0
    for number in range(400):
        damaged = streams[number % 4].copy()
        places = draw.integers(0, min(len(damaged), 200), 3)
        damaged[places] = draw.integers(0, 256, 3)
        path = tmp_path / "x"
        length = len(damaged) if number % 3 else draw.integers(20, len(damaged))
        path.write_bytes(damaged.tobytes()[:length])
        try:
            assert load_image(path).shape == (32, 32, 3)
        except DataError:
            refused += 1
    assert 0 < refused < 400


# Images with their classes.


IMAGES, LABELS = pixels((4, 32, 32)), np.array([0, 3, 9, 3], np.uint8)


def save(path, images=IMAGES, labels=LABELS, names=("images", "labels")):
    np.savez(path, **dict(zip(names, (images, labels), strict=True)))
    return str(path)


def refused(source):
    with pytest.raises(DataError) as caught:
        load_labeled(source, CLASS_NAMES)
    assert caught.value.received.startswith(source.partition(",")[0][:20])
    assert "\n" not in caught.value.received
    return caught.value.received


def write_images(folder, *colours):
    folder.mkdir(parents=True)
    for number, colour in enumerate(colours):
        Image.new("RGB", (40, 40), colour).save(folder / f"{number}.png")


def test_a_folder_has_a_folder_for_each_class_by_name_or_number(tmp_path):
    write_images(tmp_path / "cat", RED, GREEN)  # class 3
    write_images(tmp_path / "9", BLUE)
    images, labels = load_labeled(str(tmp_path), CLASS_NAMES)
    assert labels.tolist() == [3, 3, 9]
    assert labels.dtype == np.uint8
    assert [tuple(image[0, 0]) for image in images] == [RED, GREEN, BLUE]
    assert (images.dtype, images.shape) == (np.uint8, (3, 32, 32, 3))


def test_a_class_may_have_folders_of_both_kinds(tmp_path):
    write_images(tmp_path / "cat", RED)
    write_images(tmp_path / "3", GREEN)
    assert load_labeled(str(tmp_path), CLASS_NAMES)[1].tolist() == [3, 3]


def test_other_files_and_folders_are_left_alone(tmp_path):
    write_images(tmp_path / "cat", RED)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / "unicorn").mkdir()
    (tmp_path / "readme.txt").write_text("")
    assert len(load_labeled(str(tmp_path), CLASS_NAMES)[0]) == 1


def test_images_of_no_class_are_not_left_out_in_silence(tmp_path):
    write_images(tmp_path / "cat", RED)
    write_images(tmp_path / "Dog", RED)
    write_images(tmp_path / "cats", RED)
    write_images(tmp_path / ".thumbnails", RED)
    assert refused(str(tmp_path)).endswith("also Dog, cats, with images")


@pytest.mark.parametrize("folders", [[], ["unicorn"], ["10", "03"]])
def test_a_folder_without_images_in_classes_is_refused(tmp_path, folders):
    for name in folders:
        write_images(tmp_path / name, RED)
    assert "airplane, automobile" in refused(str(tmp_path))


def test_a_damaged_image_in_a_folder_is_named(tmp_path):
    write_images(tmp_path / "cat", RED)
    (tmp_path / "cat" / "z.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"z\.png"):
        load_labeled(str(tmp_path), CLASS_NAMES)


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y")])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, ">i4"])
def test_an_npz_is_read_by_its_names(tmp_path, names, dtype):
    source = save(tmp_path / "a.npz", labels=LABELS.astype(dtype).reshape(-1, 1), names=names)
    images, labels = load_labeled(source, CLASS_NAMES)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert labels.dtype == np.uint8


def test_a_pair_of_npy_is_read_in_this_order(tmp_path):
    np.save(tmp_path / "i.npy", IMAGES)
    np.save(tmp_path / "l.npy", LABELS)
    images, labels = load_labeled(f"{tmp_path}/i.npy,{tmp_path}/l.npy", CLASS_NAMES)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert "labels uint8" not in refused(f"{tmp_path}/l.npy,{tmp_path}/i.npy")


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (IMAGES.astype(np.float32) / 255, LABELS, "images float32 (4, 32, 32, 3), from 0 to 1"),
        (IMAGES.reshape(4, -1), LABELS, "images uint8 (4, 3072)"),
        (IMAGES.transpose(0, 3, 1, 2), LABELS, "images uint8 (4, 3, 32, 32)"),
        (IMAGES[0], LABELS, "4 labels in labels for 32 images"),
        (np.uint8(3), LABELS, "images uint8 ()"),
        (IMAGES, LABELS[:3], "3 labels in labels for 4 images"),
        (IMAGES, np.ones((4, 10), np.uint8), "rows with more than one label"),
        (IMAGES, LABELS + 0.5, "labels float64 (4,), not whole numbers"),
        (IMAGES, LABELS.astype("U1"), "labels 0 in labels, not 10 classes"),
        (IMAGES, LABELS + 1, "labels 1 to 10 in labels, not 10 classes"),
        (IMAGES, LABELS.astype(int) - 1, "labels -1 to 8 in labels, not 10 classes"),
        (IMAGES, np.full(4, 2**63, np.uint64), "up to 9223372036854775808"),
        (IMAGES[:0], LABELS[:0], "no images"),
    ],
)
def test_arrays_of_another_kind_are_refused_with_what_they_are(tmp_path, images, labels, reason):
    assert reason in refused(save(tmp_path / "a.npz", images, labels))


def test_objects_in_arrays_are_never_unpickled(tmp_path, monkeypatch):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    objects = np.array([Payload()], dtype=object)
    np.savez(tmp_path / "a.npz", images=objects, labels=objects)
    np.save(tmp_path / "a.npy", objects)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Payload()))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", pickle.dumps(Payload()))
        archive.writestr("labels.npy", pickle.dumps(Payload()))
    refused(f"{tmp_path}/a.npz")
    refused(f"{tmp_path}/b.npz")
    refused(f"{tmp_path}/a.npy,{tmp_path}/a.npy")
    refused(f"{tmp_path}/b.npy,{tmp_path}/b.npy")
    assert not (tmp_path / "pwned").exists()


def npy(header, content=b""):
    """An `.npy` with a header of our own."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def described(shape, kind="|u1"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}"


HOSTILE_ARRAYS = {
    "empty": b"",
    "text": b"hello",
    "a header alone": npy(described("(4, 32, 32, 3)")),
    "half the content": npy(described("(4, 32, 32, 3)"), bytes(2 * 3072)),
    "a shape of 10 TB": npy(described("(10000000000, 32, 32, 3)")),
    "a shape beyond 64 bits": npy(described("(18446744073709551616, 32, 32, 3)")),
    "a negative shape": npy(described("(-1, 32, 32, 3)")),
    "a shape of text": npy(described("'many'")),
    "a type nobody knows": npy(described("(4,)", "|Z9")),
    "a type of objects": npy(described("(1,)", "|O"), pickle.dumps([1])),
    "a call in the header": npy("__import__('os').system('touch pwned')"),
    "brackets in the header": npy("(" * 9_000),
    "minus signs in the header": npy("-" * 9_000 + "1"),
    "a header of 60 KB": npy(" " * 60_000),
    "no keys in the header": npy("{}"),
    "a later version": b"\x93NUMPY\x09\x00" + bytes(100),
    "a zip": b"PK\x03\x04" + bytes(100),
    "a zip with nothing in it": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("content", HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS)
def test_hostile_arrays_are_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    np.save("l.npy", LABELS)
    (tmp_path / "a.npy").write_bytes(content)
    refused(f"{tmp_path}/a.npy,{tmp_path}/l.npy")
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("images.npy", content)
        archive.write("l.npy", "labels.npy")
    refused(f"{tmp_path}/a.npz")
    assert not (tmp_path / "pwned").exists()


def test_an_npz_in_an_npys_place_is_refused(tmp_path):
    save(tmp_path / "a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    refused(f"{tmp_path}/a.npy,{tmp_path}/a.npy")


def small_npz(tmp_path, **options):
    source = tmp_path / "a.npz"
    with zipfile.ZipFile(source, "w", **options) as archive:
        for name, array in (("images", IMAGES), ("labels", LABELS)):
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f"{name}.npy", stream.getvalue())
    return source


def rewritten(source, change):
    content = bytearray(source.read_bytes())
    change(content)
    source.write_bytes(content)
    return str(source)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (6, b"\x01\x00"),  # encrypted
        (8, b"\x63\x00"),  # a way of packing that zipfile does not know
        (14, b"\0\0\0\0"),  # another checksum
        (22, b"\x10\0\0\0"),  # unpacked it is said to be smaller
        (18, b"\x10\0\0\0"),  # packed it is said to be smaller
    ],
)
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_npz_that_lies_about_its_members_is_refused(tmp_path, packing, offset, value):
    source = small_npz(tmp_path, compression=packing)
    refused(rewritten(source, lambda content: in_both_headers(content, offset, value)))


def test_an_npz_with_damaged_packing_is_refused(tmp_path):
    source = small_npz(tmp_path, compression=zipfile.ZIP_DEFLATED)

    def damage(content):
        content[60:200] = b"\xff" * 140

    refused(rewritten(source, damage))


def test_an_npz_that_would_unpack_to_more_than_4_gb_is_not_unpacked(tmp_path):
    source = small_npz(tmp_path, compression=zipfile.ZIP_DEFLATED)

    def claim(content):
        in_both_headers(content, 22, b"\xff\xff\xff\xf0")

    assert "bytes when unpacked" in refused(rewritten(source, claim))


def test_members_that_lead_out_of_the_folder_are_not_written(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    source = small_npz(inner)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../pwned", "x")
        archive.writestr(str(tmp_path / "pwned"), "x")
    images, _ = load_labeled(str(source), CLASS_NAMES)
    np.testing.assert_array_equal(images, IMAGES)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "a.npz"]


def test_an_npz_names_what_it_holds_instead(tmp_path):
    source = save(tmp_path / "a.npz", names=("pictures", "classes"))
    assert refused(source).endswith("it holds pictures, classes")


@pytest.mark.parametrize(
    "source", ["nowhere", "nowhere.npz", "a.npy", "a.npy,b.npy", ",", "", "~nobody_of_this_name/x"]
)
def test_what_is_not_there_is_refused(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="expected: train, validation or test"):
        load_labeled(source, CLASS_NAMES)
