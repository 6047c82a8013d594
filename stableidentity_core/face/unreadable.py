"""Why a picture file could not be read and what to do about it, from its content: extensions are often wrong."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

# Signature, kind of file, advice.
_CONVERT = "Convert it to JPEG or PNG"
_DOWNLOAD = "Get the picture itself"
_SIGNS = (
    (b"\xff\x0a", "a JPEG XL picture, which Pillow does not read", _CONVERT),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture, which Pillow does not read", _CONVERT),
    (b"%PDF", "a PDF document", "Save the picture in it as JPEG or PNG"),
    (b"PK\x03\x04", "a ZIP archive or a document", "Unpack it"),
    (b"\x00\x05\x16\x07", "not a picture but macOS metadata of one", "Use the file without `._` in its name"),
    (b"version https://git-lfs", "a Git LFS pointer, not the picture itself", f"{_DOWNLOAD} with `git lfs pull`"),
    (b"<svg", "a vector drawing", _CONVERT),
    (b"<", "a web page or an XML file", f"{_DOWNLOAD}: the download returned a page instead"),
)
_BRANDS = {
    "HEIC": (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
}


def why_unreadable(path: Path, error: Exception) -> str:
    """What a file is that Pillow rejected with `error`, and what to do: sentences for a message."""
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return (
            f"{path} has more than {limit:.0f} megapixels, Pillow's limit. Downscale the photo: 2000 to 4000 pixels "
            "per side are plenty."
        )
    if isinstance(error, PermissionError):
        return f"{path} cannot be opened: {error.strerror}. Give the user that runs this program permission to read it."
    try:
        with path.open("rb") as file:
            head, size = file.read(64), path.stat().st_size
    except OSError as failed:
        return f"{path} cannot be read: {failed.strerror}. Check the disk or network drive that it is on."
    if not size:
        return f"{path} is empty (0 bytes). Copy it again."
    kind, advice = _recognise(head)
    if kind:
        return f"{path} is {kind} ({size:,} bytes). {advice}."
    if isinstance(error, Image.UnidentifiedImageError):
        return (
            f"{path} ({size:,} bytes) cannot be read as a picture: its content is of no format that the installed "
            f"Pillow reads. Copy it again, or {_CONVERT[0].lower()}{_CONVERT[1:]}."
        )
    return (
        f"{path} ({size:,} bytes) cannot be read as a picture: {error}. It is truncated, damaged or of a rare kind. "
        "Copy it again, or open it in an image editor and save it as JPEG or PNG."
    )


def kind_of_file(path: Path) -> str:
    """The kind of a file that Pillow does not read, by its content, such as "a PDF document"; "" if unknown."""
    try:
        with path.open("rb") as file:
            kind, advice = _recognise(file.read(64))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return f"{kind}; {advice[0].lower()}{advice[1:]}" if advice == _CONVERT else kind


def _recognise(head: bytes) -> tuple[str, str]:
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    for name, brands in _BRANDS.items():
        if brand in brands and f".{name.lower()}" not in Image.registered_extensions():
            return f"a {name} picture, which the installed Pillow does not read", _CONVERT
    if brand and not any(brand in brands for brands in _BRANDS.values()):
        return "a video or another file of the MP4 family", "Save a frame of it as JPEG or PNG"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next(((kind, advice) for sign, kind, advice in _SIGNS if text.startswith(sign)), ("", ""))
