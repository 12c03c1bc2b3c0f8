// SPDX-License-Identifier: Apache-2.0
// Greedy placement of point labels: each takes the first of the positions around its point where it hides
// nothing; a label that finds no room is left out, unless it
// must stand.
#pragma once

#include <span>
#include <vector>

namespace tenfold::report {

// Pixels, y down.
struct Box {
  double left = 0.0, top = 0.0, right = 0.0, bottom = 0.0;
};

struct Stroke {
  double x0 = 0.0, y0 = 0.0, x1 = 0.0, y1 = 0.0;
};

struct LabelRequest {
  double x = 0.0, y = 0.0;           // centre of the point
  double radius = 4.0;               // of its mark
  double width = 0.0, height = 0.0;  // of the text
  bool above_first = false;          // try straight above before the other positions (bars)
  bool must_stand = false;           // may hide obstacles rather than be left out (the user's own runs)
};

struct PlacementProblem {
  Box area;                          // labels stay inside
  std::vector<Box> obstacles;        // marks and texts that must stay visible
  std::vector<Stroke> strokes;       // lines a label avoids when another position is free
  std::vector<LabelRequest> labels;  // in the order of importance
};

struct LabelPlace {
  bool placed = false;
  Box box;  // of the text
  bool leader = false;
  Stroke leader_line;  // from the mark to the text, for a label that stands apart
};

bool overlaps(const Box& a, const Box& b);
bool crosses(const Stroke& stroke, const Box& box);  // any part of the stroke lies inside the box
bool meet(const Stroke& a, const Stroke& b);         // the strokes cross; touching ends do not count

// One place a label, in the order of `problem.labels`; those that must stand are placed first. Boxes of placed labels never
// overlap each other or a leader line, an obstacle only where one must stand, and leader lines do not cross.
std::vector<LabelPlace> place_labels(const PlacementProblem& problem);

}  // namespace tenfold::report
