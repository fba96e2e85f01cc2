#!/usr/bin/env python3
"""Makes an animated SVG of a real run: record.py SLIMBUILD WORKSPACE OUTPUT

It types a few commands into a terminal of its own, keeps what the programs draw, and writes each state of the
screen as a frame. Lines that several frames share are written once. The colours follow the reader's: light or
dark. Whoever wants less motion sees the last frame. `just picture` calls it; it needs `pyte`, a terminal
without a window.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from html import escape
from pathlib import Path

import pyte

COLUMNS, ROWS = 84, 22
# The size of a letter, and of the space around all of them.
WIDTH, HEIGHT, MARGIN = 8.0, 18.0, 14.0
# The shortest time between two frames, and the longest: waiting is no fun to watch.
SHORTEST, LONGEST = 0.22, 1.2
# How long the last frame stays.
LAST = 5.0
PROMPT = "$ "

COLOURS = {
    "black": ("#6e7781", "#8b949e"),
    "red": ("#cf222e", "#ff7b72"),
    "green": ("#116329", "#7ee787"),
    "brown": ("#7d4e00", "#e3b341"),
    "blue": ("#0550ae", "#79c0ff"),
    "magenta": ("#8250df", "#d2a8ff"),
    "cyan": ("#1b7c83", "#76e3ea"),
}


class Screen(pyte.Screen):
    """pyte forgets faint letters, and slimbuild writes what is less important so."""

    def select_graphic_rendition(self, *attributes, **options):
        attributes = tuple(90 if attribute == 2 else attribute for attribute in attributes)
        super().select_graphic_rendition(*attributes, **options)


class Recorder:
    def __init__(self):
        self.screen = Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.frames = []  # (seconds, lines)
        self.waited = 0.0

    def feed(self, data):
        self.stream.feed(data)

    def snap(self, seconds):
        """A frame, which stays until the next one."""
        lines = tuple(line(self.screen.buffer[row]) for row in range(ROWS))
        seconds = min(seconds, LONGEST)
        if self.frames and self.frames[-1][1] == lines:
            before, _ = self.frames.pop()
            seconds = min(before + seconds, max(before, LONGEST))
        self.frames.append((seconds, lines))

    def type(self, text):
        """Types a command, a few letters at a time."""
        self.feed(PROMPT.encode())
        self.snap(0.5)
        for start in range(0, len(text), 3):
            self.feed(text[start : start + 3].encode())
            self.snap(0.12)
        self.snap(0.4)
        self.feed(b"\r\n")

    def run(self, text, command, cwd, env):
        self.type(text)
        main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=other, stdout=other, stderr=other)
        os.close(other)
        since = time.monotonic()
        while True:
            ready, _, _ = select.select([main], [], [], SHORTEST)
            data = b""
            if ready:
                try:
                    data = os.read(main, 1 << 16)
                except OSError:  # Linux's word for the end
                    pass
                if not data:
                    break
            self.feed(data)
            now = time.monotonic()
            if now - since >= SHORTEST:
                self.snap(now - since)
                since = now
        os.close(main)
        self.snap(0.6)
        if process.wait() != 0:
            sys.exit(f"{text}: exit code {process.returncode}\n" + "\n".join(self.screen.display))


def line(cells):
    """The letters of a line as runs of one look: (column, text, colour, bold)."""
    runs = []
    for column in range(COLUMNS):
        cell = cells[column]
        look = (cell.fg, cell.bold)
        blank = cell.data == " "
        if runs and (runs[-1][2:] == look or blank) and runs[-1][0] + len(runs[-1][1]) == column:
            start, text, *rest = runs[-1]
            runs[-1] = (start, text + cell.data, *rest)
        elif not blank:
            runs.append((column, cell.data, *look))
    return tuple((start, text.rstrip(), colour, bold) for start, text, colour, bold in runs)


def style():
    """Classes for the colours, in both of the reader's."""

    def of(which):
        return "".join(f".{name}{{fill:{pair[which]}}}" for name, pair in COLOURS.items())

    return (
        "text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "white-space:pre;fill:#1f2328}.b{font-weight:700}"
        "rect{fill:#f6f8fa;stroke:#d1d9e0}" + of(0) + "@media(prefers-color-scheme:dark){"
        "text{fill:#e6edf3}rect{fill:#0d1117;stroke:#3d444d}" + of(1) + "}"
    )


def drawn(run):
    start, text, colour, bold = run
    names = [colour.removeprefix("bright")] if colour.removeprefix("bright") in COLOURS else []
    names += ["b"] if bold else []
    classes = f' class="{" ".join(names)}"' if names else ""
    length = f' textLength="{len(text) * WIDTH:g}"' if len(text) > 1 else ""
    return f'<text x="{start * WIDTH:g}"{length}{classes}>{escape(text, quote=False)}</text>'


def svg(frames, title):
    frames = [*frames[:-1], (LAST, frames[-1][1])]
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
    known, strip, steps, at = {}, [], [], 0.0
    whole = sum(seconds for seconds, _ in frames)
    for number, (seconds, lines) in enumerate(frames):
        left = number * width
        steps.append(f"{at / whole * 100:.3g}%{{transform:translateX({-left:g}px)}}")
        at += seconds
        uses = []
        for row, runs in enumerate(lines):
            if runs:
                name = known.setdefault(runs, f"l{len(known)}")
                uses.append(f'<use href="#{name}" y="{row * HEIGHT + 13:g}"/>')
        strip.append(f'<g transform="translate({left:g})">{"".join(uses)}</g>')
    end = f"{-(len(frames) - 1) * width:g}px"
    shared = "".join(f'<g id="{name}">{"".join(map(drawn, runs))}</g>' for runs, name in known.items())
    motion = (
        f".strip{{transform:translateX({end})}}@media(prefers-reduced-motion:no-preference){{"
        f".strip{{animation:run {whole:.1f}s step-end infinite}}}}"
        f"@keyframes run{{{''.join(steps)}to{{transform:translateX({end})}}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(title)}</title>'
        f"<style>{style()}{motion}</style><defs>{shared}</defs>"
        f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>'
        f'<svg x="{MARGIN:g}" y="{MARGIN:g}" width="{COLUMNS * WIDTH:g}" height="{ROWS * HEIGHT:g}">'
        f'<g class="strip">{"".join(strip)}</g></svg></svg>\n'
    )


def main():
    program, workspace, output = sys.argv[1:]
    program = Path(program).resolve()
    env = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
    }
    for name in ("CI", "NO_COLOR", "GITHUB_ACTIONS", "GITLAB_CI"):
        env.pop(name, None)
    # The picture shows a change of one line; what came before it is cached, as in any day's work.
    subprocess.run([program, "apps/server", "-q"], cwd=workspace, env=env, check=True, stdout=subprocess.DEVNULL)
    with open(Path(workspace, "apps/server/src/main.ts"), "a") as source:
        source.write(f"// {time.time()}\n")
    recorder = Recorder()
    for text in ("slimbuild ls", "slimbuild apps/server"):
        recorder.run(text, [str(program), *text.split()[1:]], workspace, env)
    recorder.feed(PROMPT.encode())
    recorder.snap(LAST)
    text = svg(recorder.frames, "slimbuild lists the apps of a workspace, and builds the image of one")
    Path(output).write_text(text)
    print(f"{output}: {len(recorder.frames)} frames, {len(text.encode()) / 1000:.0f} kB")


main()
