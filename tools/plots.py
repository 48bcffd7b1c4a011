"""Plots as SVG texts: series of points on axes of which one or both are logarithmic."""

import html
import math

WIDTH, HEIGHT = 780, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 44, 56
COLORS = ("#1f6fb4", "#d1495b", "#3a7d44", "#8d5a97", "#c77d1a", "#4b5563", "#0f8b8d", "#b0578d", "#7a6c00", "#333333")
MARKS = ("circle", "square", "diamond")


class Axis:
    """From values to places on paper; the limits are whole steps around the values."""

    def __init__(self, values, begin, end, logarithmic, base=10):
        self.begin, self.end, self.logarithmic, self.base = begin, end, logarithmic, base
        low, high = min(values), max(values)
        if logarithmic:
            self.low = math.floor(math.log(low, base) + 1e-9)
            self.high = max(math.ceil(math.log(high, base) - 1e-9), self.low + 1)
            self.step = max(1, math.ceil((self.high - self.low) / 10))
        else:
            rough = (high - low or high or 1) / 6
            power = 10 ** math.floor(math.log10(rough))
            self.step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
            self.low = math.floor(low / self.step) * self.step
            self.high = math.ceil(high / self.step + 1e-9) * self.step

    def place(self, value):
        at = math.log(value, self.base) if self.logarithmic else value
        return self.begin + (at - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self):
        at = self.low
        while at <= self.high + 1e-9:
            yield self.base ** at if self.logarithmic else at
            at += self.step


def mark(kind, x, y, color):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
    if kind == "square":
        return f'<rect x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2" fill="{color}"/>'
    return (f'<path d="M{x:.1f} {y - 5:.1f} L{x + 5:.1f} {y:.1f} L{x:.1f} {y + 5:.1f} L{x - 5:.1f} {y:.1f} Z" '
            f'fill="{color}"/>')


def plain(value):
    return f"{value:g}"


def plot(title, x_title, y_title, series, x_log=True, y_log=True, x_base=10, x_text=plain, lines=True):
    """`series`: {name: [(x, y), ...]}; names in the order of the legend. Without `lines`: points only."""
    points = [point for one in series.values() for point in one]
    x_axis = Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, x_log, x_base)
    y_axis = Axis([y for _, y in points], HEIGHT - BOTTOM, TOP, y_log)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="sans-serif" font-size="12" role="img">', f"<title>{html.escape(title)}</title>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="24" font-size="15" font-weight="bold" fill="#111111">{html.escape(title)}</text>']
    for value in x_axis.ticks():
        x = x_axis.place(value)
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#e3e3e3"/>')
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333333">'
                   f"{html.escape(x_text(value))}</text>")
    for value in y_axis.ticks():
        y = y_axis.place(value)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e3e3e3"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333333">{plain(value)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle" fill="#111111">'
               f"{html.escape(x_title)}</text>")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle" fill="#111111">'
               f"{html.escape(y_title)}</text>")
    for i, (name, values) in enumerate(series.items()):
        color, kind = COLORS[i % len(COLORS)], MARKS[i // len(COLORS) % len(MARKS)] if not lines else MARKS[i % len(MARKS)]
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in values]
        if lines:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        out += [mark(kind, x, y, color) for x, y in places]
        y = TOP + 10 + 20 * i
        out.append(mark(kind, WIDTH - RIGHT + 18, y - 4, color))
        out.append(f'<text x="{WIDTH - RIGHT + 30}" y="{y}" fill="#111111">{html.escape(name)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
