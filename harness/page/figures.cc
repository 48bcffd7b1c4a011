#include "harness/page/figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/page/html.h"

namespace pagealloc::bench {
namespace {

// A panel, in its own units; the page scales it to the width there is.
constexpr double kWidth = 320, kHeight = 200;
constexpr double kLeft = 54, kRight = 12, kTop = 10, kBottom = 38;

std::string Attribute(const char* name, const std::string& value) {
  return Joined(" ", name, "=\"", value, "\"");
}

std::string Line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line" + Attribute("x1", Coordinate(x1)) + Attribute("y1", Coordinate(y1)) +
         Attribute("x2", Coordinate(x2)) + Attribute("y2", Coordinate(y2)) +
         Attribute("class", style) + "/>";
}

std::string Text(double x, double y, const std::string& anchor, const std::string& text) {
  return "<text" + Attribute("x", Coordinate(x)) + Attribute("y", Coordinate(y)) +
         Attribute("text-anchor", anchor) + ">" + Escaped(text) + "</text>";
}

std::string Svg(double width, double height, const std::string& style,
                const std::string& description, const std::string& content) {
  std::string svg =
      "<svg" + Attribute("viewBox", Joined("0 0 ", Coordinate(width), " ", Coordinate(height))) +
      Attribute("class", style);
  svg += description.empty()
             ? Attribute("aria-hidden", "true")
             : Attribute("role", "img") + Attribute("aria-label", Escaped(description));
  return svg + ">" + content + "</svg>";
}

/// Values of an axis that have a name: 1, 2, 5 times a power of ten.
std::vector<double> RoundValues(double least, double most, double step) {
  std::vector<double> values;
  for (double i = std::ceil(least / step - 1e-9); i * step <= most + step * 1e-9; ++i) {
    values.push_back(i * step + 0.0);  // no -0
  }
  return values;
}

double RoundStep(double range, double parts) {
  const double rough = range / parts;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

/// The vertical axis of a panel.
class ValueAxis {
 public:
  ValueAxis(double least, double most, bool log) : log_(log) {
    if (log) {
      least_ = std::pow(10, std::floor(std::log10(least) * 2) / 2);
      most_ = std::pow(10, std::ceil(std::log10(most) * 2) / 2);
      if (most_ <= least_) most_ = least_ * 10;
      for (double power = std::pow(10, std::floor(std::log10(least_))); power <= most_;
           power *= 10) {
        for (const double factor : {1.0, 3.0}) {
          const double value = factor * power;
          const bool wide = most_ / least_ > 1e3;
          if (value >= least_ * 0.999 && value <= most_ * 1.001 && (!wide || factor == 1)) {
            ticks_.push_back(value);
          }
        }
      }
      return;
    }
    const double room = std::max((most - least) * 0.08, std::max(std::fabs(most), 1e-9) * 0.01);
    least_ = std::max(0.0, least - room);
    most_ = most + room;
    ticks_ = RoundValues(least_, most_, RoundStep(most_ - least_, 5));
  }

  [[nodiscard]] double At(double value) const {
    const double share = log_ ? std::log(value / least_) / std::log(most_ / least_)
                              : (value - least_) / (most_ - least_);
    return kHeight - kBottom - share * (kHeight - kTop - kBottom);
  }
  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }

 private:
  bool log_;
  double least_ = 0;
  double most_ = 1;
  std::vector<double> ticks_;
};

std::string Points(const Series& series, const auto& x_at, const ValueAxis& values, bool lines) {
  const std::string color = series.is_null ? "null" : Joined("c", std::to_string(series.color));
  std::string svg;
  if (lines && series.points.size() > 1) {
    std::string path;
    for (const Series::Point& point : series.points) {
      path += Joined(path.empty() ? "" : " ", Coordinate(x_at(point.x)), ",",
                     Coordinate(values.At(point.y)));
    }
    svg +=
        "<polyline" + Attribute("points", path) + Attribute("class", Joined("line ", color)) + "/>";
  }
  std::string dots;
  for (const Series::Point& point : series.points) {
    dots += "<circle" + Attribute("cx", Coordinate(x_at(point.x))) +
            Attribute("cy", Coordinate(values.At(point.y))) + Attribute("r", "2.4") +
            (point.hollow ? Attribute("class", "ring") : "") + "/>";
  }
  return svg + Element("g", "class=\"dot " + color + "\"", dots);
}

}  // namespace

std::string PanelSvg(const Panel& given) {
  Panel panel = given;
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  double first = least;
  double last = most;
  for (Series& series : panel.series) {
    if (panel.log) std::erase_if(series.points, [](const auto& point) { return point.y <= 0; });
    for (const Series::Point& point : series.points) {
      least = std::min(least, point.y);
      most = std::max(most, point.y);
      first = std::min(first, point.x);
      last = std::max(last, point.x);
    }
  }
  if (least > most) return "";
  const ValueAxis values(least, most, panel.log);
  if (panel.categories.empty()) {
    first = 0;
  } else {
    first = -0.3;
    last = static_cast<double>(panel.categories.size()) - 0.7;
  }
  const auto x_at = [&](double x) {
    const double share = last > first ? (x - first) / (last - first) : 0.5;
    return kLeft + 6 + share * (kWidth - kLeft - kRight - 12);
  };
  const double bottom = kHeight - kBottom;
  std::string svg;
  for (const double tick : values.ticks()) {
    const double y = values.At(tick);
    svg += Line(kLeft, y, kWidth - kRight, y, "grid") +
           Text(kLeft - 6, y + 3.5, "end", TickText(tick, panel.unit));
  }
  svg += Line(kLeft, bottom, kWidth - kRight, bottom, "axis");
  const auto x_tick = [&](double x, const std::string& name) {
    svg += Line(x_at(x), bottom, x_at(x), bottom + 4, "axis") +
           Text(x_at(x), bottom + 15, "middle", name);
  };
  if (panel.categories.empty()) {
    const double step = std::max(1.0, RoundStep(std::max(last - first, 1.0), 6));
    for (const double x : RoundValues(first, last, step)) x_tick(x, Rounded(x));
  } else {
    for (std::size_t i = 0; i < panel.categories.size(); ++i) {
      x_tick(static_cast<double>(i), panel.categories[i]);
    }
  }
  svg += Text((kLeft + kWidth - kRight) / 2, kHeight - 6, "middle", panel.x_name);
  for (const Series& series : panel.series) svg += Points(series, x_at, values, panel.lines);
  return Svg(kWidth, kHeight, "panel", panel.description, svg);
}

RatioAxis::RatioAxis(const std::vector<double>& ratios) {
  constexpr double kLeast = 1.05;  // so that noise does not fill the plot
  constexpr double kMost = 16;
  std::vector<double> factors;
  factors.reserve(ratios.size());
  for (const double ratio : ratios) factors.push_back(std::max(ratio, 1 / ratio));
  double factor = kLeast;
  if (!factors.empty()) {  // nine of ten; a few that are far out would squeeze them
    const auto nine_tenths = factors.begin() + static_cast<std::ptrdiff_t>(factors.size() * 9 / 10);
    std::nth_element(factors.begin(), nine_tenths, factors.end());
    factor = std::clamp(*nine_tenths * 1.02, kLeast, kMost);
  }
  least_ = 1 / factor;
  most_ = factor;
}

double RatioAxis::At(double ratio) const {
  const double inside = std::clamp(ratio, least_, most_);
  constexpr double kMargin = 20;
  return kMargin + std::log(inside / least_) / std::log(most_ / least_) * (kWidth - 2 * kMargin);
}

std::string RatioAxis::AxisSvg() const {
  constexpr std::array<double, 8> kFactors{16, 4, 2, 1.5, 1.2, 1.1, 1.05, 1.02};
  std::string svg = Line(0, kHeight - 0.5, kWidth, kHeight - 0.5, "axis");
  std::vector<double> taken;
  const auto tick = [&](double ratio, const std::string& name) {
    const double x = At(ratio);
    constexpr double kRoom = 40;
    for (const double other : taken) {
      if (std::fabs(other - x) < kRoom) return;
    }
    taken.push_back(x);
    svg += Line(x, kHeight - 5, x, kHeight, "axis") + Text(x, kHeight - 8, "middle", name);
  };
  tick(1, "1");
  for (const double factor : kFactors) {
    if (factor > most_) continue;
    tick(factor, Rounded(factor));
    tick(1 / factor, Rounded(1 / factor));
  }
  return Svg(kWidth, kHeight, "forest", "", svg);
}

std::string RatioAxis::LineSvg(double ratio, std::optional<std::pair<double, double>> interval,
                               double threshold, const std::string& verdict) const {
  const double middle = kHeight / 2;
  const double from = At(1 / (1 + threshold));
  const double to = At(1 + threshold);
  std::string svg = "<rect" + Attribute("x", Coordinate(from)) + Attribute("y", "0") +
                    Attribute("width", Coordinate(std::max(to - from, 0.5))) +
                    Attribute("height", Coordinate(kHeight)) + Attribute("class", "band") + "/>" +
                    Line(At(1), 0, At(1), kHeight, "one");
  std::string mark;
  if (interval) {
    const auto [low, high] = *interval;
    mark += Line(At(low), middle, At(high), middle, "whisker");
    for (const double end : {low, high}) {
      if (Holds(end)) mark += Line(At(end), middle - 4, At(end), middle + 4, "whisker");
    }
  }
  const double x = At(ratio);
  if (Holds(ratio)) {
    mark +=
        "<path" +
        Attribute("d", Joined("M", Coordinate(x), " ", Coordinate(middle - 5), "l5 5-5 5-5-5z")) +
        "/>";
  } else {  // an arrow that points to where it lies
    const bool right = ratio > 1;
    mark += "<path" +
            Attribute("d", Joined("M", Coordinate(x + (right ? 8 : -8)), " ", Coordinate(middle),
                                  right ? "l-9-5v10z" : "l9-5v10z")) +
            "/>";
  }
  return Svg(kWidth, kHeight, "forest", "",
             svg + Element("g", "class=\"mark " + verdict + "\"", mark));
}

std::string BarSvg(double share, std::size_t color) {
  constexpr double kBarWidth = 200;
  constexpr double kBarHeight = 10;
  const double width = std::clamp(share, 0.0, 1.0) * kBarWidth;
  return Svg(kBarWidth, kBarHeight, "bar", "",
             "<rect" + Attribute("x", "0") + Attribute("y", "0") +
                 Attribute("width", Coordinate(std::max(width, 1.0))) +
                 Attribute("height", Coordinate(kBarHeight)) +
                 Attribute("class", Joined("fill c", std::to_string(color))) + "/>");
}

}  // namespace pagealloc::bench
