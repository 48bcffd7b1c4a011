#!/usr/bin/env python3
"""plots: what is drawn lies where its numbers say."""

import unittest
import xml.etree.ElementTree as ET

import plots

SVG = "{http://www.w3.org/2000/svg}"


class AxisTest(unittest.TestCase):
    def test_logarithmic_limits_are_whole_powers(self):
        axis = plots.Axis([3, 700], 0, 300, True)
        self.assertEqual(list(axis.ticks()), [1, 10, 100, 1000])
        self.assertAlmostEqual(axis.place(10), 100)

    def test_linear_limits_are_whole_steps(self):
        axis = plots.Axis([1.1, 2.9], 0, 100, False)
        ticks = list(axis.ticks())
        self.assertLessEqual(ticks[0], 1.1)
        self.assertGreaterEqual(ticks[-1], 2.9)
        self.assertAlmostEqual(axis.place(ticks[0]), 0)
        self.assertAlmostEqual(axis.place(ticks[-1]), 100)

    def test_one_value_is_no_division_by_zero(self):
        self.assertTrue(list(plots.Axis([5], 0, 100, True).ticks()))
        self.assertTrue(list(plots.Axis([5], 0, 100, False).ticks()))


class PlotTest(unittest.TestCase):
    def test_has_a_mark_for_each_point_and_name_inside_the_paper(self):
        picture = ET.fromstring(plots.plot("a < b", "x", "y", {"one": [(1, 10), (100, 1000)], "two & more": [(10, 100)]}))
        texts = [text.text for text in picture.iter(f"{SVG}text")]
        self.assertIn("a < b", texts)
        self.assertIn("two & more", texts)
        circles = list(picture.iter(f"{SVG}circle"))
        self.assertEqual(len(circles), 2 + 1)  # two points, one in the legend
        self.assertLess(float(circles[0].get("cx")), float(circles[1].get("cx")))
        self.assertGreater(float(circles[0].get("cy")), float(circles[1].get("cy")))
        for circle in circles:
            self.assertTrue(0 < float(circle.get("cx")) < plots.WIDTH and 0 < float(circle.get("cy")) < plots.HEIGHT)


if __name__ == "__main__":
    unittest.main()
