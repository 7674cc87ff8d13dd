"""Puts the drawing of a run, its style and its program into one page.

Law: the page refers to nothing outside itself; what strangers wrote in a run is text there, never markup or code.
"""

import html
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from quorate.netsim.report.model import Drawing, draw
from quorate.netsim.trace import Event

PARTS = ("page.html", "page.css", "page.js")


def page(title: str, peers: Sequence[str], events: Sequence[Event], facts: dict[str, str], transcript: str) -> str:
    """One HTML document. `facts`: what stands at its head. `transcript`: the run in words."""
    drawing = draw(title, peers, events, facts)
    frame, style, program = (files(__package__).joinpath(name).read_text("utf-8") for name in PARTS)
    filled = {
        "title": html.escape(title),
        "verdict": _verdict(drawing),
        "facts": "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in facts.items()),
        "summary": html.escape(_summary(drawing)),
        "transcript": html.escape(transcript),
        "style": style,
        "program": program,
        "data": as_script_data(drawing),
    }
    for name, text in filled.items():
        frame = frame.replace(f"<!--{name}-->", text)
    return frame


def as_script_data(drawing: Drawing) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or begin another."""
    encoded = msgspec.json.encode(drawing).decode()
    for char in "<>&\u2028\u2029":
        encoded = encoded.replace(char, f"\\u{ord(char):04x}")
    return encoded


def _verdict(drawing: Drawing) -> str:
    broken = drawing.violation
    if broken is None:
        return '<p class="verdict ok">✓ No promise was broken.</p>'
    text = html.escape(f"{broken.check}: {broken.text}")
    return f'<p class="verdict bad">✗ At {broken.at:.3f} s: {text}</p>'


def _summary(drawing: Drawing) -> str:
    """What the picture shows, in a sentence."""
    leaderships = sum(span.kind == "leader" for span in drawing.spans)
    return (
        f"{len(drawing.peers)} peers: {leaderships} leaderships, "
        f"{len(drawing.faults)} faults, {len(drawing.tasks)} attempts, {len(drawing.asked)} requests."
    )
