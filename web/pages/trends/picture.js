// SPDX-License-Identifier: Apache-2.0
// What the chart of the trends page shows: systems by domain, line and band, eras, levels and forecast, runs as stars.
import { PALETTE } from "../../lib/chart.js";
import { number } from "../../lib/format.js";

const MOST_DOMAINS = 5; // the rest share one mark: more colours cannot be told apart
const QUANTITIES = { flop: "training compute", parameters: "parameters", data: "training data", cost: "cost", power: "power" };

const heightOf = (row, quantity) => (quantity === "parameters" ? row.parameters : quantity === "flop" ? row.training_flop : null);

function pointSeries(id, name, rows, quantity, style) {
  const shown = rows.filter((row) => heightOf(row, quantity) > 0);
  return {
    id,
    name,
    kind: "points",
    ...style,
    x: shown.map((row) => row.year),
    y: shown.map((row) => heightOf(row, quantity)),
    labels: shown.map((row) => row.name),
    notes: shown.map((row) => row.note ?? row.organization),
  };
}

function domainSeries(rows, quantity) {
  const counts = new Map();
  for (const row of rows) counts.set(row.domain, (counts.get(row.domain) ?? 0) + 1);
  const names = [...counts]
    .filter(([name]) => name && name !== "Other")
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST_DOMAINS)
    .map(([name]) => name);
  const series = names.map((name, i) =>
    pointSeries(
      `domain-${name}`,
      name,
      rows.filter((row) => row.domain === name),
      quantity,
      { color: PALETTE[i], shape: i },
    ),
  );
  series.push(
    pointSeries(
      "domain-other",
      "other domains",
      rows.filter((row) => !names.includes(row.domain)),
      quantity,
      { color: "--c7", shape: 0 },
    ),
  );
  return series.filter((each) => each.x.length > 0);
}

// The ends of a straight line in the logarithm.
function line(id, name, fit, color, dash) {
  const at = (year) => 10 ** (fit.log10_flop_at_2000 + fit.slope_oom_per_year * (year - 2000));
  const x = [fit.first_year, fit.last_year];
  return { id, name, kind: "line", color, dash, width: 2.6, x, y: x.map(at) };
}

function trendSeries(page) {
  const { fit } = page;
  const included = new Set(fit.included);
  const reasons = new Map(fit.excluded.map((row) => [row.name, row.reason]));
  const series = domainSeries(
    page.rows.filter((row) => included.has(row.name)),
    fit.quantity,
  );
  if (page.leftOutBox.input.checked) {
    const rows = page.rows.filter((row) => !included.has(row.name)).map((row) => ({ ...row, note: reasons.get(row.name) }));
    const left = pointSeries("left-out", "left out", rows, fit.quantity, { color: "--c7", faint: true });
    if (left.x.length > 0) series.unshift(left);
  }
  if (fit.band) {
    const { year, line: y, low, high } = fit.band;
    series.push({
      id: "fit",
      name: `trend, ${Math.round(100 * fit.bootstrap.confidence)} % interval`,
      kind: "line",
      color: "--c8",
      width: 2.6,
      x: year,
      y,
      low,
      high,
    });
  } else if (fit.slope_oom_per_year !== null && fit.log10_flop_at_2000 !== undefined) {
    series.push(line("fit", fit.method, fit, "--c8"));
  }
  return series;
}

function eraSeries(page) {
  const { eras } = page;
  const large = new Set(eras.large_scale);
  const series = domainSeries(page.rows, "flop");
  const lines = [
    ["before", "before deep learning", "--c1"],
    ["regular", "deep learning, regular scale", "--c2"],
    ["large", "large scale", "--c8", [7, 4]],
  ];
  for (const [key, name, color, dash] of lines)
    if (eras.eras[key]?.slope_oom_per_year !== undefined) series.push(line(key, name, eras.eras[key], color, dash));
  const rings = page.rows.filter((row) => large.has(row.name));
  series.push({
    id: "rings",
    name: "large-scale systems",
    kind: "rings",
    color: "--ink",
    x: rings.map((row) => row.year),
    y: rings.map((row) => row.training_flop),
    labels: rings.map((row) => row.name),
  });
  return series;
}

function forecastSeries({ forecast }) {
  const x = forecast.forecast.map((point) => point.year);
  return [
    {
      id: "typical",
      name: "typical system, forecast",
      kind: "line",
      color: "--c1",
      dash: [7, 4],
      x,
      y: forecast.forecast.map((point) => point.typical),
      low: forecast.forecast.map((point) => point.one_system[0]),
      high: forecast.forecast.map((point) => point.one_system[1]),
    },
    {
      id: "frontier",
      name: "frontier, forecast",
      kind: "line",
      color: "--c2",
      dash: [2, 3],
      x,
      y: forecast.forecast.map((point) => point.frontier),
    },
  ];
}

function spansOf(page) {
  if (page.mode !== "eras") return [];
  const last = Math.max(...page.rows.map((row) => row.year));
  return [
    { x0: 1900, x1: page.border.get(), label: "before deep learning" },
    { x0: page.border.get(), x1: page.largeStart.get(), label: "deep learning" },
    { x0: page.largeStart.get(), x1: last, label: "large scale" },
  ];
}

// Zoomed to the period with a little room; the forecast and the stars stay in sight.
function xAxis(page, series) {
  const axis = { title: "publication date", year: true };
  const xs = series
    .filter((each) => each.id !== "left-out")
    .flatMap((each) => each.x)
    .filter(Number.isFinite);
  if (!page.zoomBox.input.checked || page.mode === "eras" || xs.length === 0) return axis;
  return { ...axis, min: Math.floor(Math.min(...xs)), max: Math.ceil(Math.max(...xs) + 0.01) };
}

export function chartSpec(page) {
  const eras = page.mode === "eras";
  const quantity = eras ? "flop" : (page.fit?.quantity ?? "flop");
  const unit = eras ? "FLOP" : (page.fit?.table.unit ?? "FLOP");
  const series = eras ? (page.eras ? eraSeries(page) : []) : page.fit ? trendSeries(page) : [];
  const rules = [];
  if (page.forecast && page.threshold.shown() && quantity === "flop") {
    series.push(...forecastSeries(page));
    for (const level of page.forecast.levels) rules.push({ y: level.level, label: `${number(level.level, 2)} FLOP` });
  }
  if (quantity === "flop" && page.stars && page.starsBox.input.checked) series.push(page.stars);
  if (quantity === "flop" && page.estimate) series.push(page.estimate);
  return {
    x: xAxis(page, series),
    y: { title: `${QUANTITIES[quantity] ?? quantity}${unit ? ` [${unit}]` : ""}`, log: true },
    series,
    rules,
    spans: spansOf(page),
  };
}
