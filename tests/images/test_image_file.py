"""An image file of any kind becomes 32 x 32 pixels, or is refused."""

import io
import os
import pickle
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_command import environment

from mlptrain.images import image_file
from mlptrain.images.image_file import decode_image, read_image_file


def load_image(path, side=32):
    """Read and decode a file."""
    return decode_image(read_image_file(path), side)


WHITE, BLACK = (255, 255, 255), (0, 0, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
def loaded(tmp_path):
    """A Pillow image → the array that is read from its file."""

    def load(image, ending=".png", **options):
        path = tmp_path / f"image{ending}"
        image.save(path, **options)
        return load_image(path)

    return load


def pixels(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def halves(first, right, size=(64, 64)):
    """Return two colors side by side; size is width and height."""
    image = Image.new("RGB", size, first)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def colors(image):
    return set(map(tuple, image.reshape(-1, 3).tolist()))


def test_an_image_of_the_right_size_is_not_changed(loaded):
    original = pixels((32, 32))
    read = loaded(Image.fromarray(original))
    assert (read.dtype, read.shape) == (np.uint8, (32, 32, 3))
    np.testing.assert_array_equal(read, original)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (8, 8), (31, 33), (640, 480)])
def test_an_image_of_any_size_becomes_32_by_32(loaded, size):
    read = loaded(Image.new("RGB", size, (10, 200, 30)))
    assert read.shape == (32, 32, 3)
    assert colors(read) == {(10, 200, 30)}


def test_a_larger_image_is_averaged_not_sampled(loaded):
    # Lines finer than the pixels of the result: sampling would give black or white.
    lines = np.zeros((256, 256, 3), np.uint8)
    lines[:, ::2] = 255
    assert np.abs(loaded(Image.fromarray(lines)).astype(int) - 128).max() < 20


def test_an_oblong_image_is_cropped_to_the_middle_square(loaded):
    wide = Image.new("RGB", (96, 32), RED)
    wide.paste(BLUE, (32, 0, 64, 32))
    assert colors(loaded(wide)) == colors(loaded(wide.rotate(90, expand=True))) == {BLUE}


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_an_image_is_rotated_as_its_exif_says(loaded, orientation, turned):
    original = Image.fromarray(pixels((32, 32)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    read = loaded(original, exif=exif)
    np.testing.assert_array_equal(read, np.asarray(original.transpose(turned)))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"nonsense" * 9])
def test_damaged_exif_is_ignored(loaded, exif):
    read = loaded(Image.new("RGB", (32, 32), RED), ".jpg", exif=exif)
    assert read.shape == (32, 32, 3)


def test_transparent_pixels_become_white(loaded):
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (16, 0, 32, 32))
    image.paste((0, 0, 0, 128), (0, 0, 4, 4))
    read = loaded(image)
    assert (tuple(read[16, 8]), tuple(read[16, 24])) == (WHITE, BLUE)
    assert read[1, 1].tolist() == pytest.approx([127, 127, 127], abs=1)
    palette = halves(RED, GREEN, (32, 32)).convert("P", palette=Image.Palette.ADAPTIVE)
    read = loaded(palette, transparency=palette.getpixel((4, 4)))
    assert (tuple(read[16, 4]), tuple(read[16, 28])) == (WHITE, GREEN)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_keeps_its_colors(loaded, mode):
    read = loaded(halves(WHITE, BLACK, (32, 32)).convert(mode))
    assert (tuple(read[16, 4]), tuple(read[16, 28])) == (WHITE, BLACK)


def test_16_bits_are_scaled_to_8(loaded):
    levels = np.repeat(np.array([0, 64, 128, 255], np.uint16) * 257, 8)
    read = loaded(Image.fromarray(np.tile(levels, (32, 1))))
    assert read[16, [2, 12, 20, 30], 0].tolist() == pytest.approx([0, 64, 128, 255], abs=2)


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".bmp"])
def test_jpeg_webp_and_bmp_are_read(loaded, ending):
    read = loaded(halves(WHITE, BLACK), ending)
    assert read[:, :8].min() > 230
    assert read[:, -8:].max() < 25


def test_cmyk_is_converted_to_rgb(loaded):
    read = loaded(Image.new("RGB", (32, 32), RED).convert("CMYK"), ".jpg")
    assert read[16, 16].tolist() == pytest.approx(RED, abs=40)


def test_the_content_decides_the_format_not_the_name(tmp_path):
    (tmp_path / "cat.jpg").write_bytes(image_bytes(Image.new("RGB", (4, 4), GREEN)))
    assert tuple(load_image(tmp_path / "cat.jpg")[0, 0]) == GREEN


def image_bytes(image, form="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png_of_size(width, height):
    """Return a PNG that claims this size and has no pixels."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


COMPLETE = image_bytes(Image.fromarray(pixels((64, 64))))
BROKEN = {
    "empty": b"",
    "text": b"hello\n" * 100,
    "a pickle": pickle.dumps({"image": 1}),
    "a GIF": image_bytes(Image.new("L", (4, 4)), "GIF"),
    "PostScript, which Pillow would run a program for": b"%!PS-Adobe-3.0 EPSF-3.0\n%%EOF\n",
    "half a PNG": COMPLETE[: len(COMPLETE) // 2],
    "a PNG's header": COMPLETE[:33],
    "a PNG with damaged pixels": COMPLETE[:200] + bytes(len(COMPLETE) - 200),
    "a PNG of 60,000 by 60,000": png_of_size(60_000, 60_000),
    "a PNG of 10,001 by 10,000": png_of_size(10_001, 10_000),
    "a PNG of 2**31 - 1 a side": png_of_size(2**31 - 1, 2**31 - 1),
    "a PNG of no width": png_of_size(0, 10),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_a_usable_image_is_refused(tmp_path, content):
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_image(path)


def test_a_path_without_a_file_is_refused(tmp_path):
    for path, reason in ((tmp_path / "x.png", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(OSError, match=reason):
            load_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(ValueError, match="a pipe, socket or device, not a regular file"):
        load_image(tmp_path / "x.png")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_behind_a_link_is_refused(tmp_path):
    (tmp_path / "x.png").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="a pipe, socket or device"):
        load_image(tmp_path / "x.png")


def test_a_file_of_more_than_40_mb_is_not_opened(tmp_path):
    with (tmp_path / "x.png").open("wb") as stream:
        stream.write(COMPLETE)
        stream.truncate(40_000_001)
    with pytest.raises(ValueError, match="40,000,001 bytes"):
        load_image(tmp_path / "x.png")


def test_webp_may_have_half_as_many_pixels(tmp_path):
    Image.new("RGB", (5_001, 5_000)).save(tmp_path / "x.webp", method=0)
    with pytest.raises(ValueError, match="WEBP, 5001 by 5000 pixels"):
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
        "import pathlib, sys; from mlptrain.images.image_file import decode_image; "
        "decode_image(pathlib.Path(sys.argv[1]).read_bytes(), 32); "
        "print(pathlib.Path('/proc/self/status').read_text())"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "x")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment())
    assert done.returncode == 0, done.stderr
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.MULTILINE)
    assert int(peak) * 1_024 < 10**9


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_an_image_read_in_tiles_is_the_same(tmp_path, monkeypatch, mode):
    if mode == "I;16":
        image = Image.fromarray(np.arange(6_300, dtype=np.uint16).reshape(70, 90) * 10)
    else:
        array = np.random.default_rng(0).integers(0, 256, (70, 90, 4), np.uint8)
        rgba = Image.fromarray(array)
        image = rgba if mode == "RGBA" else rgba.convert("RGB").convert(mode)
    image.save(tmp_path / "x.png")
    at_once = load_image(tmp_path / "x.png")
    monkeypatch.setattr(image_file, "TILE", 32)
    np.testing.assert_array_equal(load_image(tmp_path / "x.png"), at_once)


def test_a_damaged_image_is_read_or_refused(tmp_path):
    draw = np.random.default_rng(0)
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0"
    original = Image.fromarray(pixels((16, 16)))
    files = [
        np.frombuffer(image_bytes(original, form, exif=exif), np.uint8)
        for form in ("PNG", "JPEG", "WEBP", "BMP")
    ]
    refusals = 0
    for number in range(400):
        damaged = files[number % 4].copy()
        places = draw.integers(0, min(len(damaged), 200), 3)
        damaged[places] = draw.integers(0, 256, 3)
        path = tmp_path / "x"
        length = len(damaged) if number % 3 else draw.integers(20, len(damaged))
        path.write_bytes(damaged.tobytes()[:length])
        try:
            assert load_image(path).shape == (32, 32, 3)
        except ValueError:
            refusals += 1
    assert 0 < refusals < 400
