#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes a picture of a terminal's screen, which tmux capture-pane -e has printed.

Reads it from the standard input and writes SVG to the standard output.
"""

import html
import re
import sys

LINE, COLUMN, MARGIN = 17, 7.83, 12
BACK, FRONT = "#1c1f26", "#d8dee9"
COLORS = ["#3b4252", "#e06c75", "#8fbf6f", "#e5c07b", "#61afef", "#c678dd", "#56b6c2",
          "#d8dee9"]
SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")


class Look:
    """What a stretch of text looks like."""

    def __init__(self):
        self.bold = self.reverse = self.underline = False
        self.color = None

    def change(self, codes):
        for code in (int(code or 0) for code in codes.split(";")):
            if code == 0:
                self.__init__()
            elif code == 1:
                self.bold = True
            elif code == 4:
                self.underline = True
            elif code == 7:
                self.reverse = True
            elif code == 27:
                self.reverse = False
            elif 30 <= code < 38:
                self.color = COLORS[code - 30]
            elif code == 39:
                self.color = None

    def text(self, x, y, words):
        front = self.color or FRONT
        width = len(words) * COLUMN
        if self.reverse:
            yield (f'<rect x="{x:.1f}" y="{y - 13}" width="{width:.1f}" height="{LINE}" '
                   f'fill="{front}"/>')
            front = BACK
        extra = ' font-weight="bold"' if self.bold else ""
        extra += ' text-decoration="underline"' if self.underline else ""
        yield (f'<text x="{x:.1f}" y="{y}" fill="{front}" textLength="{width:.1f}" '
               f'xml:space="preserve"{extra}>{html.escape(words, quote=False)}</text>')


def draw(lines):
    look = Look()
    for number, line in enumerate(lines):
        column = 0
        y = MARGIN + 14 + number * LINE
        for index, part in enumerate(SEQUENCE.split(line)):
            if index % 2:
                look.change(part)
            elif part:
                if part.strip() or look.reverse:
                    yield from look.text(MARGIN + column * COLUMN, y, part)
                column += len(part)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = max(len(SEQUENCE.sub("", line)) for line in lines)
    width = round(2 * MARGIN + columns * COLUMN)
    height = 2 * MARGIN + LINE * len(lines) + 4
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
          f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="13">')
    print(f'<rect width="{width}" height="{height}" rx="6" fill="{BACK}"/>')
    print(*draw(lines), sep="\n")
    print("</svg>")


main()
