// SPDX-License-Identifier: Apache-2.0
// The greedy search over eight directions and growing distances.
#include "tenfold/report/label_placement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace tenfold::report {
namespace {

constexpr double kGap = 2.0;  // between mark and text
// Added to the gap; leader lines from the second. The last three are for what must stand.
constexpr std::array<double, 7> kDistances = {0.0, 12.0, 26.0, 44.0, 70.0, 100.0, 140.0};
constexpr std::size_t kUsualDistances = 4;

struct Direction {
  double x, y;
};

// Right first: reading order; below and left are where growing curves leave room.
constexpr std::array<Direction, 8> kDirections = {
    Direction{1, 0}, {1, -1}, {1, 1}, {-1, 0}, {-1, -1}, {-1, 1}, {0, -1}, {0, 1}};

bool inside(const Box& box, const Box& area) {
  return box.left >= area.left && box.right <= area.right && box.top >= area.top && box.bottom <= area.bottom;
}

LabelPlace candidate(const LabelRequest& label, Direction direction, double distance) {
  const double reach = label.radius + kGap + distance;
  // Diagonal positions come as near as the straight ones: 0.7 of the reach on each axis.
  const double scale = direction.x != 0 && direction.y != 0 ? 0.7 : 1.0;
  const double x = label.x + direction.x * reach * scale;
  const double y = label.y + direction.y * reach * scale;
  LabelPlace place;
  place.box.left = direction.x > 0 ? x : direction.x < 0 ? x - label.width : x - 0.5 * label.width;
  place.box.top = direction.y > 0 ? y : direction.y < 0 ? y - label.height : y - 0.5 * label.height;
  place.box.right = place.box.left + label.width;
  place.box.bottom = place.box.top + label.height;
  place.leader = distance > 0.0;
  const double edge = label.radius * (scale == 1.0 ? 1.0 : 0.75);
  place.leader_line = {label.x + direction.x * edge, label.y + direction.y * edge, x, y};
  return place;
}

struct Search {
  const PlacementProblem& problem;
  std::vector<LabelPlace> placed;

  bool hides_a_mark(const LabelPlace& place) const {
    return std::any_of(problem.obstacles.begin(), problem.obstacles.end(), [&](const Box& obstacle) {
      return overlaps(place.box, obstacle);
    });
  }

  bool hides_a_label(const LabelPlace& place) const {
    if (!inside(place.box, problem.area)) return true;
    for (const LabelPlace& other : placed) {
      if (!other.placed) continue;
      if (overlaps(place.box, other.box)) return true;
      if (place.leader && crosses(place.leader_line, other.box)) return true;
      if (other.leader && crosses(other.leader_line, place.box)) return true;
      if (other.leader && place.leader && meet(other.leader_line, place.leader_line)) return true;
    }
    return false;
  }

  bool touches_line(const LabelPlace& place) const {
    return std::any_of(problem.strokes.begin(), problem.strokes.end(), [&](const Stroke& stroke) {
      return crosses(stroke, place.box);
    });
  }

  LabelPlace find(const LabelRequest& label) const {
    constexpr Direction kAbove{0, -1};
    LabelPlace second_best;
    if (label.above_first) {
      LabelPlace place = candidate(label, kAbove, 0.0);
      place.placed = !hides_a_label(place) && !hides_a_mark(place);
      if (place.placed) return place;
    }
    LabelPlace last_resort;
    for (double distance :
         std::span(kDistances).first(label.must_stand ? kDistances.size() : kUsualDistances)) {
      for (Direction direction : kDirections) {
        LabelPlace place = candidate(label, direction, distance);
        if (hides_a_label(place)) continue;
        place.placed = true;
        if (hides_a_mark(place)) {
          if (!last_resort.placed) last_resort = place;
          continue;
        }
        const bool far = distance > kDistances[kUsualDistances - 1];  // worse than touching a line
        if (far && second_best.placed) return second_best;
        if (far || !touches_line(place)) return place;
        if (!second_best.placed) second_best = place;
      }
    }
    return second_best.placed || !label.must_stand ? second_best : last_resort;
  }
};

}  // namespace

bool overlaps(const Box& a, const Box& b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

// Liang-Barsky clipping: the stroke's parameter interval inside the box is not empty.
bool crosses(const Stroke& stroke, const Box& box) {
  const double dx = stroke.x1 - stroke.x0, dy = stroke.y1 - stroke.y0;
  double enter = 0.0, leave = 1.0;
  const auto clip = [&](double direction, double distance) {
    if (direction == 0.0) return distance >= 0.0;
    const double t = distance / direction;
    if (direction < 0.0) {
      enter = std::max(enter, t);
    } else {
      leave = std::min(leave, t);
    }
    return enter <= leave;
  };
  return clip(-dx, stroke.x0 - box.left) && clip(dx, box.right - stroke.x0) &&
         clip(-dy, stroke.y0 - box.top) && clip(dy, box.bottom - stroke.y0);
}

bool meet(const Stroke& a, const Stroke& b) {
  const auto side = [](const Stroke& line, double x, double y) {
    return (line.x1 - line.x0) * (y - line.y0) - (line.y1 - line.y0) * (x - line.x0);
  };
  return side(a, b.x0, b.y0) * side(a, b.x1, b.y1) < 0.0 && side(b, a.x0, a.y0) * side(b, a.x1, a.y1) < 0.0;
}

std::vector<LabelPlace> place_labels(const PlacementProblem& problem) {
  Search search{problem, std::vector<LabelPlace>(problem.labels.size())};
  for (bool must_stand : {true, false}) {
    for (std::size_t i = 0; i < problem.labels.size(); ++i) {
      if (problem.labels[i].must_stand == must_stand) search.placed[i] = search.find(problem.labels[i]);
    }
  }
  return search.placed;
}

}  // namespace tenfold::report
