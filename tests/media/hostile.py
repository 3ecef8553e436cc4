"""Hostile files that are made, not found: playlists in disguise, bombs, tracks nobody decodes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"dinf")


# ---------------------------------------------------------------- files that name other files


def disguises(folder: Path, canary: Path, url: str) -> dict[str, Path]:
    """Texts that make FFmpeg open ``canary`` or ``url`` where it may, under names of media."""
    texts = {
        "concat": f"ffconcat version 1.0\nfile '{canary}'\nduration 1\n",
        "concat-beside": f"ffconcat version 1.0\nfile {canary.name}\n",
        "concat-url": f"ffconcat version 1.0\nfile '{url}/a.mp4'\n",
        "hls": _hls(str(canary)),
        "hls-file-url": _hls(canary.as_uri()),
        "hls-url": _hls(f"{url}/a.ts"),
        "hls-key": _hls("segment.ts", f'#EXT-X-KEY:METHOD=AES-128,URI="{canary.as_uri()}"\n'),
        "hls-protocol": _hls(f"concat:{canary}|{canary}"),
        "hls-variants": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/b.m3u8\n",
        "dash": _dash(f"{url}/"),
        "dash-file": _dash(canary.as_uri()),
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "asx": f'<asx version="3.0"><entry><ref href="{url}/a.mp4"/></entry></asx>',
        "smooth": f'<SmoothStreamingMedia><StreamIndex Url="{url}"/></SmoothStreamingMedia>',
        "avisynth": f'FFVideoSource("{canary}")\n',
        "vobsub": f"# VobSub index file, v7\nid: en\n{canary.stem}\n",
        "filter": f"movie={canary}",
    }
    made = {}
    for name, text in texts.items():
        for suffix in (".mp4", ".wav"):
            made[name + suffix] = folder / (name + suffix)
            made[name + suffix].write_text(text)
    # What a scanner takes for media at its beginning, and for a playlist behind it.
    made["tagged"] = folder / "tagged.mp3"
    made["tagged"].write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + texts["hls"].encode())
    made["boxed"] = folder / "boxed.mp4"
    made["boxed"].write_bytes(
        b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08free" + texts["hls"].encode()
    )
    return made


def _hls(segment: str, key: str = "") -> str:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return f"{head}{key}#EXTINF:1.0,\n{segment}\n#EXT-X-ENDLIST\n"


def _dash(base: str) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT1S"><BaseURL>{base}</BaseURL><Period><AdaptationSet '
        'mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>a.mp4</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    )


def with_data_elsewhere(movie: bytes, canary: Path, kind: bytes) -> bytes:
    """A QuickTime file whose tracks say that their data lie in ``canary``.

    ``kind`` is ``url `` (a file URL) or ``alis`` (a Macintosh alias with the path in it). The
    file must have its ``moov`` box last, so that nothing it points at moves.
    """
    if kind == b"url ":
        payload = canary.as_uri().encode() + b"\0"
    else:
        path = str(canary).encode()
        name = canary.name.encode()[:27]
        head = bytearray(150)
        head[6:10] = struct.pack(">HH", 2, 0)  # version 2, a file
        head[10:38] = bytes([4]) + b"disk" + bytes(23)
        head[50 : 51 + len(name)] = bytes([len(name)]) + name
        head[130:134] = struct.pack(">hh", 0, 0)  # levels from the alias to the file
        tail = struct.pack(">hH", 18, len(path)) + path + bytes(len(path) % 2)
        payload = bytes(head) + tail + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I", 12 + len(payload)) + kind + b"\0\0\0\0" + payload
    table = struct.pack(">I", 16 + len(entry)) + b"dref" + struct.pack(">II", 0, 1) + entry
    return b"".join(_replaced(movie, b"dref", table))


def _replaced(data: bytes, name: bytes, new: bytes) -> Iterator[bytes]:
    """The boxes of ``data`` with every box ``name`` in it, however deep, replaced."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        box = data[at : at + size] if size >= 8 else data[at:]
        kind = box[4:8]
        if kind == name:
            yield new
        elif kind in _CONTAINERS:
            inner = b"".join(_replaced(box[8:], name, new))
            yield struct.pack(">I", len(inner) + 8) + kind + inner
        else:
            yield box
        at += len(box)


# ------------------------------------------------------------------------------------ bombs


def many_pictures(path: Path, *, size: tuple[int, int], group: int, groups: int) -> Path:
    """One group of coded pictures, all grey, again and again: small, long and wholly valid."""
    width, height = size
    first = path.with_name(f"group-{path.name}")
    with av.open(str(first), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = group
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for index in range(group):
            picture.pts, picture.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    with av.open(str(first)) as source, av.open(str(path), "w") as out:
        copied = out.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        time_base = source.streams.video[0].time_base
        if time_base is None:
            raise ValueError("the group has no times")
        tick = round(Fraction(1, 25) / time_base)
        for index in range(group * groups):
            packet = av.Packet(bytes(packets[index % group]))
            packet.pts = packet.dts = index * tick
            packet.time_base, packet.stream = time_base, copied
            packet.duration, packet.is_keyframe = tick, index % group == 0
            out.mux(packet)
    first.unlink()
    return path


def picture_bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of one colour, whole: zeros deflate to a thousandth."""
    row = b"\0" + bytes(width * 3)
    deflate = zlib.compressobj(9)
    body = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", body), (b"IEND", b"")]
    written = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + written)
    return path


def picture_header(path: Path, width: int, height: int) -> Path:
    """A lossless WebP that is nothing but a header with a size."""
    bits = (width - 1) | (height - 1) << 14
    body = b"WEBPVP8L" + struct.pack("<IBI", 200, 0x2F, bits) + bytes(195)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def sound_bomb(path: Path, frame_count: int) -> Path:
    """FLAC of silence in eight channels: some 36 bytes stand for 2 MB of float samples."""
    block, rate = 65535, 48000
    info = struct.pack(">HH", block, block) + bytes(6)
    total = block * frame_count
    info += (rate << 44 | 7 << 41 | 15 << 36 | total).to_bytes(8, "big") + bytes(16)
    with path.open("wb") as file:
        file.write(b"fLaC\x80" + len(info).to_bytes(3, "big") + info)
        for number in range(frame_count):
            head = b"\xff\xf8\x7a\x78" + _utf8_number(number) + struct.pack(">H", block - 1)
            frame = head + bytes([_crc(head, 8, 0x07)]) + bytes(3 * 8)
            file.write(frame + _crc(frame, 16, 0x8005).to_bytes(2, "big"))
    return path


def _utf8_number(number: int) -> bytes:
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(data: bytes, width: int, polynomial: int) -> int:
    value, top = 0, 1 << (width - 1)
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & (top * 2 - 1)
    return value


def index_bomb(movie: bytes) -> bytes:
    """A movie whose tables say that it has a quarter of a milliard samples of one byte."""
    data = bytearray(movie)
    at = data.index(b"stsz")
    data[at + 8 : at + 16] = struct.pack(">II", 1, 0x0FFFFFFF)
    at = data.index(b"stts")
    data[at + 8 : at + 20] = struct.pack(">III", 1, 0x0FFFFFFF, 512)
    at = data.index(b"stsc")
    data[at + 8 : at + 24] = struct.pack(">IIII", 1, 1, 0x0FFFFFFF, 1)
    return bytes(data)


# ------------------------------------------------------------------- tracks nobody can decode


def without_decoder(data: bytes, *names: bytes) -> bytes:
    """The file with each of these codec names spoilt, wherever it stands."""
    for name in names:
        if name not in data:
            raise ValueError(f"the file does not name {name!r}")
        data = data.replace(name, b"z" * len(name))
    return data
