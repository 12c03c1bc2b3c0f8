// SPDX-License-Identifier: Apache-2.0
// What a chart shows on top of Chart.js: shaded spans, contours, straight rules, marks with names, stars.
import { color } from "./theme.js";

const ROOM_FOR_NAMES = 480; // pixels of a chart that writes names beside its stars

function starPath(x, y, radius) {
  const path = new Path2D();
  for (let i = 0; i < 10; ++i) {
    const r = i % 2 === 0 ? radius : radius * 0.42;
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    if (i === 0) path.moveTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
    else path.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  path.closePath();
  return path;
}

function drawSpans({ ctx, chartArea: area, scales }, spec) {
  for (const [i, span] of (spec.spans ?? []).entries()) {
    const left = Math.max(area.left, scales.x.getPixelForValue(span.x0));
    const right = Math.min(area.right, scales.x.getPixelForValue(span.x1));
    if (right <= left) continue;
    if (i % 2 === 0) {
      ctx.fillStyle = color("--shade");
      ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
    }
    ctx.fillStyle = color("--soft");
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    if (ctx.measureText(span.label).width < right - left - 6) ctx.fillText(span.label, (left + right) / 2, area.top + 5);
  }
}

function drawContours({ ctx, chartArea: area, scales }, spec) {
  if (!spec.contours) return;
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
  ctx.clip();
  ctx.lineWidth = 1;
  const [deep, high] = [color("--contour-low"), color("--contour-high")];
  for (const [i, contour] of spec.contours.entries()) {
    ctx.strokeStyle = i < spec.contours.length / 2 ? deep : high;
    ctx.globalAlpha = 0.25 + 0.6 * Math.abs(1 - (2 * i) / Math.max(1, spec.contours.length - 1));
    ctx.beginPath();
    for (const [x0, y0, x1, y1] of contour.path) {
      ctx.moveTo(scales.x.getPixelForValue(x0), scales.y.getPixelForValue(y0));
      ctx.lineTo(scales.x.getPixelForValue(x1), scales.y.getPixelForValue(y1));
    }
    ctx.stroke();
  }
}

function drawRules({ ctx, chartArea: area, scales }, spec) {
  for (const rule of spec.rules ?? []) {
    const across = rule.y !== undefined;
    const at = across ? scales.y.getPixelForValue(rule.y) : scales.x.getPixelForValue(rule.x);
    const inside = across ? at >= area.top - 1 && at <= area.bottom + 1 : at >= area.left - 1 && at <= area.right + 1;
    if (!inside) continue;
    ctx.strokeStyle = ctx.fillStyle = color(rule.color ?? "--soft");
    ctx.setLineDash([6, 4]);
    ctx.lineWidth = 1.2;
    ctx.beginPath();
    ctx.moveTo(across ? area.left : at, across ? at : area.top);
    ctx.lineTo(across ? area.right : at, across ? at : area.bottom);
    ctx.stroke();
    ctx.setLineDash([]);
    if (!across) haloText(ctx, rule.label, at + 4, area.top + 12, "left");
    else haloText(ctx, rule.label, area.left + 6, at - 8 < area.top + 6 ? at + 9 : at - 8, "left");
  }
}

function haloText(ctx, text, x, y, align) {
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.lineWidth = 3;
  ctx.save();
  ctx.strokeStyle = color("--halo");
  ctx.strokeText(text, x, y);
  ctx.restore();
  ctx.fillText(text, x, y);
}

function drawStars(chart, spec) {
  const { ctx } = chart;
  const boxes = [];
  chart.data.datasets.forEach((dataset, i) => {
    const series = spec.series[dataset.seriesIndex];
    if (series?.kind !== "stars" || !chart.isDatasetVisible(i)) return;
    chart.getDatasetMeta(i).data.forEach((point, j) => {
      ctx.fillStyle = color(series.color);
      ctx.strokeStyle = color("--paper");
      ctx.lineWidth = 1.5;
      const star = starPath(point.x, point.y, 10);
      ctx.fill(star);
      ctx.stroke(star);
      if (dataset.data.length <= 6 && chart.width > ROOM_FOR_NAMES)
        starLabel(chart, point, series.labels?.[dataset.data[j].i] ?? "", boxes);
    });
  });
}

// Beside the star, where no earlier label is; left of it near the right edge.
function starLabel({ ctx, chartArea: area }, point, text, boxes) {
  const short = Array.from(text).length > 24 ? `${Array.from(text).slice(0, 23).join("")}…` : text;
  const width = ctx.measureText(short).width;
  const left = point.x + 14 + width > area.right;
  const x = left ? point.x - 14 - width : point.x + 14;
  for (const shift of [0, -15, 15, -30, 30]) {
    const y = point.y + shift;
    if (boxes.some((box) => Math.abs(box.y - y) < 14 && box.x < x + width && x < box.x + box.width)) continue;
    boxes.push({ x, y, width });
    ctx.fillStyle = color("--ink");
    haloText(ctx, short, x, y, "left");
    return;
  }
}

function drawMarks({ ctx, chartArea: area, scales }, spec) {
  for (const mark of spec.marks ?? []) {
    const [x, y] = [scales.x.getPixelForValue(mark.x), scales.y.getPixelForValue(mark.y)];
    ctx.strokeStyle = ctx.fillStyle = color("--ink");
    ctx.lineWidth = 1.6;
    ctx.beginPath();
    if (mark.shape === "dot") {
      ctx.fillStyle = color(mark.color);
      ctx.strokeStyle = color("--paper");
      ctx.arc(x, y, 5, 0, 2 * Math.PI);
      ctx.fill();
    } else
      for (const d of [
        [-5, 0, 5, 0],
        [0, -5, 0, 5],
      ]) {
        ctx.moveTo(x + d[0], y + d[1]);
        ctx.lineTo(x + d[2], y + d[3]);
      }
    ctx.stroke();
    if (!mark.label) continue;
    ctx.fillStyle = color("--ink");
    const left = x + 12 + ctx.measureText(mark.label).width > area.right;
    haloText(ctx, mark.label, left ? x - 10 : x + 10, y - 11, left ? "right" : "left");
  }
}

// A plugin of Chart.js: draws what `state.spec` describes beside its series.
export const overlay = (state) => ({
  id: "tenfold",
  beforeDatasetsDraw: (chart) =>
    painted(chart, () => {
      drawSpans(chart, state.spec);
      drawContours(chart, state.spec);
    }),
  afterDatasetsDraw: (chart) =>
    painted(chart, () => {
      drawRules(chart, state.spec);
      drawMarks(chart, state.spec);
      drawStars(chart, state.spec);
    }),
});

function painted(chart, paint) {
  chart.ctx.save();
  chart.ctx.font = `12px ${chart.options.font?.family ?? "system-ui, sans-serif"}`;
  paint();
  chart.ctx.restore();
}
