/// figures.h: the figures of a report as SVG. Standard library only.
///
/// Colours and fonts are classes of the page's style sheet (page_style.h), so that a figure follows
/// a light or dark page. Nothing is said by colour alone: series also differ in dashes or marks,
/// verdicts are words beside the figure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace pagealloc::bench {

/// A line or a cloud of points in one colour.
struct Series {
  struct Point {
    double x = 0;
    double y = 0;
    bool hollow = false;  ///< drawn as a ring: measured, but doubtful
  };
  std::size_t color = 0;  ///< class c0, c1, ...; of files
  bool is_null = false;   ///< what nothing costs: grey and dashed
  std::vector<Point> points;
};

/// A plot with values upwards.
struct Panel {
  std::vector<std::string> categories;  ///< names of x = 0, 1, ...; empty: x is a number
  std::string x_name;
  std::string unit = "ns";
  bool log = false;    ///< values on a logarithmic axis; those of 0 and below are left out
  bool lines = false;  ///< points are joined
  std::vector<Series> series;
  std::string description;  ///< for those who cannot see it
};
/// Empty if there is nothing to draw.
std::string PanelSvg(const Panel& panel);

/// The axis that all lines of a forest plot share: ratios, logarithmic, 1 always in it.
class RatioAxis {
 public:
  /// @param ratios  what should be seen, above 0. Nine of ten are; the rest, and what lies beyond a
  ///                factor of 16, is drawn as an arrow at the edge.
  explicit RatioAxis(const std::vector<double>& ratios);

  static constexpr double kWidth = 320;
  static constexpr double kHeight = 22;
  /// Where a ratio lies, from the left.
  [[nodiscard]] double At(double ratio) const;
  [[nodiscard]] bool Holds(double ratio) const { return ratio >= least_ && ratio <= most_; }

  /// The axis with its numbers, for the head of the plot.
  [[nodiscard]] std::string AxisSvg() const;
  /// One line: the band of the threshold, the line of 1, the interval, the ratio.
  ///
  /// @param verdict    class of the mark.
  /// @param threshold  a share: 0.02.
  [[nodiscard]] std::string LineSvg(double ratio, std::optional<std::pair<double, double>> interval,
                                    double threshold, const std::string& verdict) const;

 private:
  double least_ = 1;
  double most_ = 1;
};

/// A bar `share` (0 to 1) of the full length long.
std::string BarSvg(double share, std::size_t color);

}  // namespace pagealloc::bench
