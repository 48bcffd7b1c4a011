// The heap map as a picture.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "harness/base/parse_units.h"
#include "harness/trace/heap_map.h"

namespace pagealloc::bench {
namespace {

// Sizes in the picture's units.
constexpr std::size_t kLeft = 96, kTop = 44, kBottom = 84, kRight = 16;
constexpr std::size_t kPlotWidth = 880, kPlotHeight = 420;
constexpr std::size_t kShades = 9;  // nothing in use, then eighths

// Of this picture alone, which may stand in a page. Light to dark on a light page; the dark page
// reverses the lightness, so that full stands out on both.
constexpr std::string_view kStyle =
    "<style>"
    ".heap-map{background:#ffffff}.heap-map text{font:13px sans-serif;fill:#222222}"
    ".heap-map .title{font-size:16px}.heap-map .axis{stroke:#888888}"
    ".heap-map .gap{stroke:#c04000;stroke-dasharray:4 3}.heap-map .m{fill:#c04000}"
    ".heap-map .s0{fill:#eef1f4}.heap-map .s1{fill:#d6e4f0}.heap-map .s2{fill:#bcd5e8}"
    ".heap-map .s3{fill:#9dc3dd}.heap-map .s4{fill:#78acd0}.heap-map .s5{fill:#5592bf}"
    ".heap-map .s6{fill:#3777a8}.heap-map .s7{fill:#1f5b8d}.heap-map .s8{fill:#0b3d6b}"
    "@media(prefers-color-scheme:dark){.heap-map{background:#14181c}.heap-map text{fill:#e4e8ec}"
    ".heap-map .gap{stroke:#ff9a5a}.heap-map .m{fill:#ff9a5a}"
    ".heap-map .s0{fill:#23292f}.heap-map .s1{fill:#173a59}.heap-map .s2{fill:#1b4a72}"
    ".heap-map .s3{fill:#245d8d}.heap-map .s4{fill:#3374a8}.heap-map .s5{fill:#4a8dc1}"
    ".heap-map .s6{fill:#6ba8d6}.heap-map .s7{fill:#95c5e8}.heap-map .s8{fill:#c9e4f8}}"
    "</style>\n";

std::size_t ShadeOf(const HeapCell& cell) {
  if (cell.in_use.raw == 0) return 0;
  const auto eighths = static_cast<std::size_t>(cell.occupancy() * (kShades - 1));
  return std::max<std::size_t>(1, eighths);
}

void Attribute(std::string& svg, std::string_view name, std::string_view value) {
  svg.append(" ").append(name).append("=\"").append(value).append("\"");
}

/// A number with two decimals at most.
std::string Coordinate(double value) {
  const long long hundredths = std::llround(value * 100);
  std::string text = std::to_string(hundredths / 100);
  if (const long long rest = hundredths % 100; rest != 0) {
    text.append(rest < 10 ? ".0" : ".").append(std::to_string(rest));
  }
  return text;
}

void Rectangle(std::string& svg, double x, double y, double width, double height,
               std::string_view style) {
  svg.append("<rect");
  Attribute(svg, "x", Coordinate(x));
  Attribute(svg, "y", Coordinate(y));
  Attribute(svg, "width", Coordinate(width));
  Attribute(svg, "height", Coordinate(height));
  Attribute(svg, "class", style);
  svg.append("/>\n");
}

void Line(std::string& svg, double x1, double y1, double x2, double y2, std::string_view style) {
  svg.append("<line");
  Attribute(svg, "x1", Coordinate(x1));
  Attribute(svg, "y1", Coordinate(y1));
  Attribute(svg, "x2", Coordinate(x2));
  Attribute(svg, "y2", Coordinate(y2));
  Attribute(svg, "class", style);
  svg.append("/>\n");
}

void Text(std::string& svg, double x, double y, std::string_view anchor, std::string_view text,
          std::string_view style = "") {
  svg.append("<text");
  Attribute(svg, "x", Coordinate(x));
  Attribute(svg, "y", Coordinate(y));
  Attribute(svg, "text-anchor", anchor);
  if (!style.empty()) Attribute(svg, "class", style);
  svg.append(">");
  for (const char c : text) {
    if (c == '<') {
      svg.append("&lt;");
    } else if (c == '&') {
      svg.append("&amp;");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      svg.append("?");
    } else {
      svg.push_back(c);
    }
  }
  svg.append("</text>\n");
}

std::string Shade(std::size_t shade) { return std::string("s").append(std::to_string(shade)); }

/// The cells of one row: neighbours in time that look alike are one rectangle.
void Row(std::string& svg, const HeapMap& map, std::size_t row, double y, double height) {
  const double width = static_cast<double>(kPlotWidth) / static_cast<double>(map.moments.size());
  const auto x_of = [width](std::size_t moment) {
    return static_cast<double>(kLeft) + width * static_cast<double>(moment);
  };
  const auto runs = [&](auto&& look, auto&& draw) {
    for (std::size_t begin = 0; begin < map.moments.size();) {
      std::size_t end = begin + 1;
      while (end < map.moments.size() && look(map.At(end, row)) == look(map.At(begin, row))) ++end;
      draw(look(map.At(begin, row)), begin, end);
      begin = end;
    }
  };
  runs([](const HeapCell& cell) { return cell.heap.raw == 0 ? kShades : ShadeOf(cell); },
       [&](std::size_t shade, std::size_t begin, std::size_t end) {
         if (shade == kShades) return;
         Rectangle(svg, x_of(begin), y, x_of(end) - x_of(begin), height, Shade(shade));
       });
  // The mark of scavenged cells: a thin bar through their middle.
  runs([](const HeapCell& cell) { return cell.mostly_scavenged() && cell.heap > cell.in_use; },
       [&](bool marked, std::size_t begin, std::size_t end) {
         if (!marked) return;
         const double thickness = std::min(1.5, height / 4);
         Rectangle(svg, x_of(begin), y + (height - thickness) / 2, x_of(end) - x_of(begin),
                   thickness, "m");
       });
}

void Legend(std::string& svg) {
  const double y = kTop + kPlotHeight + 50;
  double x = kLeft;
  Text(svg, x, y + 13, "start", "in use:");
  x += 52;
  for (std::size_t shade = 0; shade < kShades; ++shade, x += 24) {
    Rectangle(svg, x, y, 22, 16, Shade(shade));
  }
  Text(svg, x + 6, y + 13, "start", "none to all");
  x += 104;
  Rectangle(svg, x, y + 7, 22, 2, "m");
  Text(svg, x + 30, y + 13, "start", "free pages mostly scavenged");
  x += 230;
  Line(svg, x, y + 8, x + 22, y + 8, "gap");
  Text(svg, x + 30, y + 13, "start", "a gap of the heap");
}

}  // namespace

std::string HeapMapSvg(const HeapMap& map) {
  constexpr std::size_t kWidth = kLeft + kPlotWidth + kRight;
  constexpr std::size_t kHeight = kTop + kPlotHeight + kBottom;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"";
  Attribute(svg, "viewBox",
            std::string("0 0 ")
                .append(std::to_string(kWidth))
                .append(" ")
                .append(std::to_string(kHeight)));
  Attribute(svg, "width", std::to_string(kWidth));
  Attribute(svg, "height", std::to_string(kHeight));
  Attribute(svg, "role", "img");
  Attribute(svg, "class", "heap-map");
  svg.append(">\n").append(kStyle);
  Text(svg, kLeft, 26, "start", map.name + ": occupancy of the heap", "title");

  std::uint64_t pages = 0;
  for (const PageRange& row : map.rows) pages += row.size().raw;
  double y = kTop + kPlotHeight;
  double label_above = kTop + kPlotHeight + 20.0;  // y of the label drawn last
  for (std::size_t i = 0; i < map.rows.size(); ++i) {
    const PageRange& row = map.rows[i];
    const double height = static_cast<double>(kPlotHeight) * static_cast<double>(row.size().raw) /
                          static_cast<double>(pages);
    const bool range_begins = i == 0 || map.rows[i - 1].end != row.begin;
    if (range_begins && i > 0) Line(svg, kLeft, y, kLeft + kPlotWidth, y, "gap");
    if (range_begins || label_above - y > 60) {
      if (label_above - y > 14 && y > kTop + 4) {  // above stands the axis' name
        Text(svg, kLeft - 8, y, "end", std::to_string(row.begin.raw));
        label_above = y;
      }
    }
    Row(svg, map, i, y - height, height);
    y -= height;
  }
  Line(svg, kLeft, kTop, kLeft, kTop + kPlotHeight, "axis");
  Line(svg, kLeft, kTop + kPlotHeight, kLeft + kPlotWidth, kTop + kPlotHeight, "axis");
  Text(svg, 8, kTop - 12, "start", "page offset");
  Text(svg, kLeft, kTop + kPlotHeight + 20, "start", "0");
  if (!map.moments.empty()) {
    Text(svg, kLeft + kPlotWidth, kTop + kPlotHeight + 20, "end",
         std::to_string(map.moments.back()) + " operations");
  }
  Text(svg, kLeft + kPlotWidth, 26, "end",
       std::string("a cell: ")
           .append(std::to_string(map.chunks_per_cell))
           .append(map.chunks_per_cell == 1 ? " chunk of " : " chunks of ")
           .append(SizeText(BytesOf(map.chunk_pages))));
  Legend(svg);
  svg.append("</svg>\n");
  return svg;
}

}  // namespace pagealloc::bench
