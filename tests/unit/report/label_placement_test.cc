// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/label_placement.h"

#include <gtest/gtest.h>

#include <cstddef>

namespace tenfold::report {
namespace {

constexpr Box kArea{0, 0, 400, 300};

LabelRequest label_at(double x, double y) {
  return {.x = x, .y = y, .radius = 4, .width = 60, .height = 12};
}

TEST(LabelPlacement, FreePointGetsItsLabelOnTheRight) {
  const auto places = place_labels({.area = kArea, .labels = {label_at(100, 100)}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_FALSE(places[0].leader);
  EXPECT_GT(places[0].box.left, 104);
  EXPECT_LT(places[0].box.left, 110);
  EXPECT_DOUBLE_EQ(0.5 * (places[0].box.top + places[0].box.bottom), 100);
}

TEST(LabelPlacement, NearTheRightBorderItGoesLeft) {
  const auto places = place_labels({.area = kArea, .labels = {label_at(390, 100)}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_LT(places[0].box.right, 390);
}

TEST(LabelPlacement, ObstacleOnTheRightIsAvoided) {
  const Box obstacle{110, 80, 200, 120};
  const auto places = place_labels({.area = kArea, .obstacles = {obstacle}, .labels = {label_at(100, 100)}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_FALSE(overlaps(places[0].box, obstacle));
}

TEST(LabelPlacement, LineIsAvoidedWhenThereIsRoomAndAcceptedWhenThereIsNone) {
  const Stroke line{0, 100, 400, 100};
  auto places = place_labels({.area = kArea, .strokes = {line}, .labels = {label_at(100, 100)}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_FALSE(crosses(line, places[0].box));
  const Box strip{0, 92, 400, 108};  // only beside the point, on the line
  places = place_labels({.area = strip, .strokes = {line}, .labels = {label_at(100, 100)}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_TRUE(crosses(line, places[0].box));
}

TEST(LabelPlacement, CrowdNeverOverlapsAndStaysInside) {
  PlacementProblem problem{.area = kArea};
  for (int i = 0; i < 40; ++i) {
    const LabelRequest label = label_at(150.0 + 9.0 * (i % 8), 120.0 + 11.0 * (i / 8));
    problem.labels.push_back(label);
    problem.obstacles.push_back({label.x - 4, label.y - 4, label.x + 4, label.y + 4});
  }
  const auto places = place_labels(problem);
  ASSERT_EQ(places.size(), problem.labels.size());
  int placed = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!places[i].placed) continue;
    ++placed;
    EXPECT_GE(places[i].box.left, kArea.left);
    EXPECT_LE(places[i].box.right, kArea.right);
    for (const Box& obstacle : problem.obstacles) EXPECT_FALSE(overlaps(places[i].box, obstacle));
    for (std::size_t k = 0; k < i; ++k) {
      if (!places[k].placed) continue;
      EXPECT_FALSE(overlaps(places[i].box, places[k].box)) << i << " and " << k;
      if (places[k].leader) {
        EXPECT_FALSE(crosses(places[k].leader_line, places[i].box));
      }
      if (places[i].leader) {
        EXPECT_FALSE(crosses(places[i].leader_line, places[k].box));
      }
    }
  }
  EXPECT_GT(placed, 8);
  EXPECT_LT(placed, 40);
}

TEST(LabelPlacement, NoRoomLeavesTheLabelOut) {
  const auto places = place_labels({.area = {0, 0, 50, 50}, .labels = {label_at(25, 25)}});
  EXPECT_FALSE(places[0].placed);
}

TEST(LabelPlacement, WhatMustStandIsPlacedFirstAndMayHideMarks) {
  PlacementProblem problem{
      .area = kArea, .obstacles = {kArea}, .labels = {label_at(100, 100), label_at(100, 100)}};
  problem.labels[1].must_stand = true;
  const auto places = place_labels(problem);
  EXPECT_FALSE(places[0].placed);
  ASSERT_TRUE(places[1].placed);
  EXPECT_GT(places[1].box.left, 100);
  // A free place is taken before one that hides something.
  problem.obstacles = {{100, 50, 200, 150}};
  EXPECT_LT(place_labels(problem)[1].box.right, 100);
}

TEST(LabelPlacement, BarsCarryTheirLabelAbove) {
  LabelRequest label = label_at(100, 100);
  label.above_first = true;
  const auto places = place_labels({.area = kArea, .labels = {label}});
  ASSERT_TRUE(places[0].placed);
  EXPECT_LT(places[0].box.bottom, 100);
  EXPECT_DOUBLE_EQ(0.5 * (places[0].box.left + places[0].box.right), 100);
}

TEST(Geometry, StrokeCrossesBox) {
  const Box box{10, 10, 20, 20};
  EXPECT_TRUE(crosses({0, 15, 30, 15}, box));   // through
  EXPECT_TRUE(crosses({12, 12, 13, 13}, box));  // inside
  EXPECT_TRUE(crosses({0, 0, 30, 30}, box));    // diagonal
  EXPECT_FALSE(crosses({0, 0, 9, 9}, box));     // ends before
  EXPECT_FALSE(crosses({0, 25, 30, 25}, box));  // passes below
  EXPECT_FALSE(crosses({15, 0, 15, 5}, box));   // upright, above
}

TEST(Geometry, StrokesMeetOnlyInside) {
  EXPECT_TRUE(meet({0, 0, 10, 10}, {0, 10, 10, 0}));
  EXPECT_FALSE(meet({0, 0, 10, 10}, {10, 10, 20, 0}));  // touching ends
  EXPECT_FALSE(meet({0, 0, 10, 0}, {0, 5, 10, 5}));     // parallel
}

}  // namespace
}  // namespace tenfold::report
