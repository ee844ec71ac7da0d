"""One picture's bytes to its pixels: PNG, JPEG and WebP of 8 bits, grey or RGB, as they are stored.

Nothing is converted that would lose something or that has more than one way: such a picture is
refused with the way out. What EXIF says of its orientation is not applied.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

from .contents import Pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = ("PNG", "JPEG", "WEBP")
LARGEST_BYTES = 1 << 28  # of a file: no picture that a network is trained on is larger
LARGEST_SIDE = 4096  # a file of kilobytes can claim gigabytes of pixels
PNG_DEPTH = slice(24, 25)  # of a PNG's first chunk, IHDR: bits of each channel

# Whatever decoders raise on bytes that are not what they should be.
UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, KeyError, OverflowError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class CorruptPicture(ValueError):
    """Its bytes are not those of a whole picture. The message names it."""


def decode(content: bytes, name: str) -> Pixels:
    """The pixels of a file, one channel or three.

    Raises:
        CorruptPicture: it cannot be decoded.
        ValueError: it can, and is not of a kind that is taken.
    """
    with _opened(content, name) as image:
        if reason := _refusal(image, content):
            raise ValueError(f"{name}: {reason}")
        try:
            image.load()
            grey = image.mode in ("1", "L")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except UNREADABLE as error:
            raise CorruptPicture(f"{name}: {_told(error)}") from None
    return pixels[None] if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _opened(content: bytes, name: str) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except BOMBS:
        raise ValueError(
            f"{name}: claims more than {LARGEST_SIDE} pixels a side; resize it"
        ) from None
    except UNREADABLE as error:
        raise CorruptPicture(f"{name}: {_told(error)}") from None


def _refusal(image: Image.Image, content: bytes) -> str:
    """Why a picture is not taken, by its header alone; "" if it is."""
    width, height = image.size
    if max(width, height) > LARGEST_SIDE:
        return f"is {width} x {height}; at most {LARGEST_SIDE} pixels a side, so resize it"
    if width != height:
        return f"is {width} x {height}; pictures are square, so crop or resize them"
    if image.mode.startswith(("I", "F")) or _is_deep(image, content):
        return "has 16 bits a channel; convert it to 8"
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return "has an alpha channel; flatten it, as Pillow's Image.alpha_composite does"
    if image.mode not in ("1", "L", "P", "RGB"):
        return f"is {image.mode}; convert it to RGB, such as by Pillow's image.convert('RGB')"
    if getattr(image, "n_frames", 1) > 1:  # only formats that can move have the attribute
        return "has several frames; save one of them"
    return ""


def _is_deep(image: Image.Image, content: bytes) -> bool:
    """Pillow opens a colour PNG of 16 bits as one of 8, silently."""
    return image.format == "PNG" and content[PNG_DEPTH] == b"\x10"


def _told(error: BaseException) -> str:
    """What a decoder says, without the address of the bytes in memory."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "is no PNG, JPEG or WebP"
    return f"cannot be decoded ({str(error).splitlines()[0] if str(error) else 'broken'})"
