"""Files of pictures, whole and damaged, for the tests of all that reads some."""
import io
import struct
import zlib


def as_file(picture, kind="PNG", **options):
    """The bytes of a PIL image's file; options are Pillow's."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels, names=(b"IDAT", b"IDAT")):
    """A PNG file whose pixels lie in two chunks of the given names; the second one's may be garbled."""
    chunk = lambda name, content: struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    half = len(rows) // 2
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (names[0], rows[:half]), (names[1], rows[half:]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
