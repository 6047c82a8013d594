"""Picture files of every kind become the same kind of tensor, or a sentence."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.make import rand
from stableidentity_core.errors import MissingFileError, StableIdentityError
from stableidentity_core.face import photo_of_image, read_mask, read_photo
from stableidentity_core.face.photo import downscale

HEIGHT, WIDTH = 40, 60


def pixels(*shape: int, seed: int = 0, high: int = 256, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


@pytest.fixture
def save(tmp_path):
    def to_file(image: Image.Image, name: str, **options):
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return to_file


def as_array(photo: torch.Tensor) -> np.ndarray:  # [H, W, 3]
    assert photo.dtype == torch.float32
    return photo.permute(1, 2, 0).numpy()


def test_plain_rgb_is_read_exactly(save):
    values = pixels(HEIGHT, WIDTH, 3)
    read = as_array(read_photo(save(Image.fromarray(values), "a.png")))
    assert np.array_equal(read, values.astype(np.float32) / 255)


@pytest.mark.parametrize(("mark", "turned"), [(3, 2), (6, -1), (8, 1)])
def test_a_phones_rotation_mark_is_heeded(save, mark, turned):
    values = pixels(HEIGHT, WIDTH, 3)
    exif = Image.Exif()
    exif[0x0112] = mark
    path = save(Image.fromarray(values), "phone.png", exif=exif)
    expected = np.rot90(values, turned)  # EXIF: 3 upside down, 6 to be turned clockwise, 8 counterclockwise
    assert np.array_equal(as_array(read_photo(path)), expected.astype(np.float32) / 255)
    assert read_mask(path).shape == expected.shape[:2]


def test_one_bit_becomes_black_and_white(save):
    bits = pixels(HEIGHT, WIDTH, high=2)
    path = save(Image.fromarray(bits * 255).convert("1"), "fax.png")
    assert np.array_equal(as_array(read_photo(path)), np.repeat(bits[..., None], 3, 2).astype(np.float32))
    assert np.array_equal(read_mask(path).numpy(), bits.astype(np.float32))


def test_a_palette_is_looked_up_and_its_transparent_colour_is_black(save):
    indices = pixels(HEIGHT, WIDTH, high=3)
    colors = np.array([[255, 0, 0], [10, 200, 30], [250, 250, 250]], dtype=np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette(colors.tobytes())
    assert np.array_equal(as_array(read_photo(save(image, "p.png"))) * 255, colors[indices])
    colors[2] = 0
    assert np.array_equal(as_array(read_photo(save(image, "t.png", transparency=2))) * 255, colors[indices])


def test_16_bits_keep_their_range(save):
    values = pixels(HEIGHT, WIDTH, high=65536, dtype=np.uint16)
    path = save(Image.fromarray(values), "scan.png")
    expected = values.astype(np.float32) / 65535
    assert np.array_equal(read_mask(path).numpy(), expected)
    assert np.array_equal(as_array(read_photo(path)), np.repeat(expected[..., None], 3, 2))


def test_a_cmyk_jpeg_has_its_colours(save):
    values = np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8)
    path = save(Image.fromarray(values).convert("CMYK"), "print.jpg", quality=95)
    # Within two levels of JPEG's rounding; an inverted CMYK would be 100 and more away.
    assert np.abs(as_array(read_photo(path)) * 255 - values).max() <= 4


def test_transparency_is_laid_over_black_as_in_a_portrait(save):
    values = pixels(HEIGHT, WIDTH, 4)
    values[:10, :, 3] = 0
    read = as_array(read_photo(save(Image.fromarray(values), "cut_out.png")))
    expected = values[..., :3].astype(np.float32) * values[..., 3:] / 255
    assert np.abs(read * 255 - expected).max() <= 1  # Pillow rounds to 8 bits
    assert not read[:10].any()
    through_host = photo_of_image(torch.from_numpy(values).float() / 255)
    assert np.abs(as_array(through_host) - read).max() <= 1 / 255 + 1e-6


@pytest.mark.parametrize("ending", ["webp", "gif", "png"])
def test_of_an_animation_the_first_picture_is_used_and_said_so(save, caplog, ending):
    frames = [Image.new("RGB", (WIDTH, HEIGHT), color) for color in ("red", "green", "blue")]
    options = {"lossless": True} if ending == "webp" else {}
    path = save(frames[0], f"wave.{ending}", save_all=True, append_images=frames[1:], **options)
    with caplog.at_level(logging.WARNING):
        photo = read_photo(path)
    assert photo.shape == (3, HEIGHT, WIDTH)
    assert torch.equal(photo.amax((1, 2)), torch.tensor([1.0, 0.0, 0.0]))
    assert "contains 3 pictures; the first one" in caplog.text and path.name in caplog.text


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "tiff"])
def test_a_picture_cut_short_is_a_sentence(tmp_path, kind):
    whole = encoded(Image.fromarray(pixels(HEIGHT, WIDTH, 3)), kind)
    for part in (0.1, 0.5):
        path = tmp_path / f"half.{kind}"
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(StableIdentityError, match=rf"half.{kind} \([\d,]+ bytes\) cannot be read as a picture"):
            read_photo(path)


def ftyp(brand: bytes) -> bytes:
    """How files of the MP4 family begin."""
    return b"\x00\x00\x00\x18ftyp" + brand + b"\x00" * 100


UNREADABLE = {
    "empty": (b"", r"is empty \(0 bytes\)\. Copy it again"),
    "text": (b"not a picture", r"cannot be read as a picture: .*Copy it again, or convert it to JPEG"),
    "zeros": (b"\x00" * 1000, "cannot be read as a picture"),
    "HEIC": (ftyp(b"heic"), r"is a HEIC picture, which the installed Pillow does not read .*Convert it to JPEG"),
    "HEIF": (ftyp(b"mif1"), "is a HEIC picture"),
    "video": (ftyp(b"isom"), r"is a video .*Save a frame of it"),
    "JPEG XL": (b"\xff\x0a" + b"\x00" * 50, r"is a JPEG XL picture.*Convert it"),
    "page": (b"\n<!DOCTYPE html><html>", r"is a web page .*the download returned a page"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", r"is a vector drawing.*Convert it"),
    "pdf": (b"%PDF-1.7", r"is a PDF document.*Save the picture in it"),
    "zip": (b"PK\x03\x04" + b"\x00" * 50, "is a ZIP archive"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", r"a Git LFS pointer.*git lfs pull"),
    "AppleDouble": (b"\x00\x05\x16\x07" + b"\x00" * 50, "macOS metadata of one"),
    # Pillow knows both and would start Ghostscript, or knows no more than their size.
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "format that the installed"),
    "MPEG": (b"\x00\x00\x01\xb3\x10\x10\x10" + b"\x00" * 50, "format that the installed"),
}


@pytest.mark.parametrize("ending", ["jpg", "png", "heic", "dat"])
@pytest.mark.parametrize("kind", list(UNREADABLE))
def test_what_is_no_picture_is_called_what_it_is_whatever_its_name(tmp_path, kind, ending):
    content, said = UNREADABLE[kind]
    path = tmp_path / f"photo.{ending}"
    path.write_bytes(content)
    for read in (read_photo, read_mask):
        with pytest.raises(StableIdentityError, match=said):
            read(path)


def test_too_many_pixels_are_called_so(save, monkeypatch):
    """Pillow's own limit is 179 million."""
    path = save(Image.fromarray(pixels(HEIGHT, WIDTH, 3)), "poster.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(StableIdentityError, match=r"more than 0 megapixels.*Downscale the photo") as caught:
        read_photo(path)
    assert "Copy it again" not in str(caught.value)


def test_a_photo_that_may_not_be_read_is_called_so(save, monkeypatch):
    path = save(Image.fromarray(pixels(HEIGHT, WIDTH, 3)), "locked.jpg")

    def locked(*_args, **_settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", locked)
    with pytest.raises(StableIdentityError, match=r"cannot be opened: Permission denied.*permission to read it"):
        read_photo(path)


@pytest.mark.parametrize("ending", ["gif", "avif", "jfif", "webp", "bmp", "tiff", "jp2", "mpo"])
def test_every_format_of_pillow_is_read_also_under_another_name(save, tmp_path, ending):
    kind = "JPEG" if ending in ("jfif", "mpo") else Image.registered_extensions().get(f".{ending}")
    if kind not in Image.SAVE:
        pytest.skip(f"THE INSTALLED PILLOW WRITES NO {ending}")
    path = save(Image.new("RGB", (WIDTH, HEIGHT), (200, 40, 90)), f"a.{ending}", format=kind)
    for named in (path, path.rename(tmp_path / "photo.png")):
        if named.exists():
            # GIF's palette and lossy formats come within a few levels of 255.
            assert np.abs(as_array(read_photo(named)) * 255 - (200, 40, 90)).max() <= 6


def test_a_missing_file_and_unknown_ranges_are_sentences(save, tmp_path):
    with pytest.raises(MissingFileError, match=r"No picture at .*nowhere.png"):
        read_photo(tmp_path / "nowhere.png")
    with pytest.raises(MissingFileError, match="No picture at"):
        read_photo(tmp_path / ("n" * 300))
    with pytest.raises(MissingFileError, match="No picture at"):
        read_photo(tmp_path)
    with pytest.raises(StableIdentityError, match="floating-point values of unknown range"):
        read_photo(save(Image.fromarray(np.ones((4, 4), np.float32)), "depth.tiff"))
    with pytest.raises(StableIdentityError, match="from -5 to 70000, needed 0 to 65535"):
        read_photo(save(Image.fromarray(np.array([[-5, 70000]], np.int32)), "heights.tiff"))
    with pytest.raises(StableIdentityError, match="colour mode LAB, needed RGB or grey"):
        read_mask(save(Image.new("LAB", (4, 4)), "lab.tiff"))


def test_a_hosts_picture_is_not_copied():
    image = rand(30, 20, 3)
    photo = photo_of_image(image)
    assert photo.shape == (3, 30, 20) and photo.data_ptr() == image.data_ptr()
    assert torch.equal(photo[2, 7], image[7, :, 2])
    assert photo_of_image(photo, "chw").data_ptr() == image.data_ptr()
    grey = photo_of_image(image[..., :1].contiguous())
    assert grey.shape == (3, 30, 20) and torch.equal(grey[0], grey[2])
    assert photo_of_image(image.half()).dtype == torch.float32


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(4, 4), r"\[4, 4\], needed \[h, w, c\]"),
        (torch.zeros(1, 4, 4, 3), r"\[1, 4, 4, 3\]"),
        (torch.zeros(4, 4, 2), r"shape \[4, 4, 2\], needed 1 \(grey\)"),
        (torch.zeros(0, 4, 3), r"shape \[0, 4, 3\].*some pixels"),
        (
            torch.full((4, 4, 3), 255.0),
            "float32 values from 255.00 to 255.00, needed floating-point values from 0 to 1",
        ),
        (torch.full((4, 4, 3), 1, dtype=torch.uint8), "uint8 values from 1.00 to 1.00, needed floating-point"),
        (torch.zeros(4, 4, 3, dtype=torch.complex64), "has dtype torch.complex64, needed floating-point"),
        (torch.full((4, 4, 3), -0.5), "from -0.50"),
        (torch.full((4, 4, 3), float("nan")), "48 values that are not finite"),
        (torch.zeros(4, 4, 3).index_fill(0, torch.tensor(2), float("inf")), "12 values that are not finite"),
    ],
)
def test_unusable_pictures_of_a_host_are_sentences(image, said):
    with pytest.raises(StableIdentityError, match=said):
        photo_of_image(image)


@pytest.mark.parametrize(("height", "width"), [(3000, 4000), (2999, 4001), (300, 400), (90, 120)])
def test_a_thinned_photo_shows_everything_in_its_place(height, width):
    """A ramp stays a ramp: what a pixel of the small picture shows is where `spanned` says."""
    x = ((torch.arange(width) + 0.5) / width).expand(3, height, width)
    picture, spanned = downscale(x, 96, 128)
    assert picture.shape == (3, 96, 128)
    there = (torch.arange(128) + 0.5) * spanned[0] / width
    inner = slice(2, -2)  # the resizing kernel is cut off at the borders
    assert torch.allclose(picture[0, 50, inner], there[inner], atol=0.5 / width)
    assert spanned[1] == pytest.approx(height / 96, abs=0.1)
