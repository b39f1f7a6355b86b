from __future__ import annotations

import xml.etree.ElementTree as ET

from gateway.bench.svg_file import encode_svg
from tests.gateway.bench.made import measured, result, step, timeline

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_whole_and_loads_nothing() -> None:
    steps = [
        step(name, users, measured(*(timeline(n) for n in range(120))))
        for users in (1, 50)
        for name in ("raw", "gateway <1>")
    ]
    picture = encode_svg(result(*steps))
    assert picture is not None
    tree = ET.fromstring(picture)
    assert len(tree.findall(f"{SVG}svg")) == 2
    texts = [each.text for each in tree.iter(f"{SVG}text")]
    assert "Wait for the first token, p99" in texts
    assert "gateway <1>" in texts
    for word in (b"href", b"url(", b"@import", b"script"):
        assert word not in picture


def test_there_is_no_picture_of_nothing() -> None:
    assert encode_svg(result()) is None
    dead = measured(timeline(pieces=0, outcome="failed connect"))
    assert encode_svg(result(step("raw", 1, dead))) is None
