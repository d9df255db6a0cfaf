"""Bar charts as SVG, readable on light and dark: the reader's setting picks the colours, of the background too."""
from html import escape

WIDTH, COLUMNS, MARGIN = 960, 2, 24
LABEL_WIDTH, LETTER_WIDTH = 118, 7.8
BAR_HEIGHT, BAR_GAP = 16, 8
HEADING_HEIGHT, PANEL_GAP = 30, 22
TITLE_HEIGHT = 66

STYLE = """
  .back { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .title { font-size: 17px; font-weight: 600 }
  .heading { font-weight: 600 } .quiet { fill: #59636e } .bar { fill: #afb8c1 } .ours { fill: #0969da } .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 } .bar { fill: #57606a } .ours { fill: #4493f8 }
  }
"""


class Panel:
    """One group of bars from zero, all in one unit: (label, value, what is written beside it, whether it stands out).

    `longest` is the value that takes all the room, where it is not the greatest of the group itself."""

    def __init__(self, heading, remark, bars, longest=None):
        self.heading, self.remark, self.bars, self.longest = heading, remark, bars, longest

    @property
    def height(self):
        return HEADING_HEIGHT + len(self.bars) * (BAR_HEIGHT + BAR_GAP)

    def draw(self, left, top, width):
        lines = [
            f'<text x="{left}" y="{top + 14}"><tspan class="heading">{escape(self.heading)}</tspan>'
            f'<tspan class="quiet" dx="8">{escape(self.remark)}</tspan></text>']
        longest = self.longest or max((value for _, value, _, _ in self.bars), default=0) or 1
        room = width - LABEL_WIDTH - 6 - LETTER_WIDTH * max((len(text) for _, _, text, _ in self.bars), default=0)
        for number, (label, value, text, stands_out) in enumerate(self.bars):
            y = top + HEADING_HEIGHT + number * (BAR_HEIGHT + BAR_GAP)
            length = max(1, round(room * value / longest, 1))
            strong = ' class="strong"' if stands_out else ""
            lines += [
                f'<text x="{left + LABEL_WIDTH - 8}" y="{y + 13}" text-anchor="end"{strong}>{escape(label)}</text>',
                f'<rect class="{"ours" if stands_out else "bar"}" x="{left + LABEL_WIDTH}" y="{y}" width="{length}"'
                f' height="{BAR_HEIGHT}" rx="2"/>',
                f'<text x="{left + LABEL_WIDTH + length + 6}" y="{y + 13}"{strong}>{escape(text)}</text>']
        return lines


def chart(title, subtitle, panels):
    """The panels two in a row, as one SVG document."""
    rows = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    width = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS
    body, top = [], TITLE_HEIGHT
    for row in rows:
        for column, panel in enumerate(row):
            body += panel.draw(MARGIN + column * (width + MARGIN), top, width)
        top += max(panel.height for panel in row) + PANEL_GAP
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{top}" rx="6"/>',
        f'<text class="title" x="{MARGIN}" y="30">{escape(title)}</text>',
        f'<text class="quiet" x="{MARGIN}" y="50">{escape(subtitle)}</text>', *body, "</svg>", ""])
