// SPDX-License-Identifier: Apache-2.0
// Charts: Chart.js behind a small description of axes and series, with legend buttons, keyboard, colours of the theme.
//
// update({
//   x: {title, log?, min?, max?, year?}, y: {title, log?, min?, max?}, equal?,
//   series: [{id, name, kind: "points" | "line" | "band" | "stars" | "rings", x, y, low?, high?, labels?, color: "--c1", shape?,
//             dash?, faint?, width?}],
//   rules: [{x | y, label, color?}], spans: [{x0, x1, label}], contours: [{level, path: [[x0, y0, x1, y1], ...]}], marks: [{x, y, label}],
// })
import { element, svgElement, download, toCsv } from "./dom.js";
import { number, power } from "./format.js";
import { overlay } from "./overlay.js";
import { color, themeChanges } from "./theme.js";

export const PALETTE = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"];

let library = null;
function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = element("script", { src: "/vendor/chart.js" });
    script.addEventListener("load", () => resolve(window.Chart));
    script.addEventListener("error", () => {
      library = null;
      reject(
        Object.assign(new Error("no chart library"), {
          fields: { what: "the chart library did not load", remedy: "load the page again" },
        }),
      );
    });
    document.head.append(script);
  });
  return library;
}

const SHAPES = [
  { style: "circle", rotation: 0, path: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z" },
  { style: "rect", rotation: 0, path: "M-3.5 -3.5h7v7h-7z" },
  { style: "triangle", rotation: 0, path: "M0 -4.6L4.4 3.2H-4.4z" },
  { style: "rectRot", rotation: 0, path: "M0 -5L5 0L0 5L-5 0z" },
  { style: "triangle", rotation: 180, path: "M0 4.6L4.4 -3.2H-4.4z" },
  { style: "crossRot", rotation: 0, path: "M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6", open: true },
  { style: "cross", rotation: 0, path: "M-5 0H5M0 -5V5", open: true },
];
const MOST_POINTS = 1200; // of a line: more than a screen can show

const alpha = (hex, share) =>
  `${hex}${Math.round(255 * share)
    .toString(16)
    .padStart(2, "0")}`;

// Of a long line the smallest and largest point of each slice.
function thinned(points) {
  if (points.length <= MOST_POINTS) return points;
  const kept = [];
  const size = points.length / (MOST_POINTS / 2);
  for (let begin = 0; begin < points.length; begin += size) {
    const slice = points.slice(Math.floor(begin), Math.floor(begin + size));
    if (slice.length === 0) continue;
    let low = slice[0],
      high = slice[0];
    for (const point of slice) {
      if (point.y < low.y) low = point;
      if (point.y > high.y) high = point;
    }
    kept.push(...(low === high ? [low] : low.x <= high.x ? [low, high] : [high, low]));
  }
  kept.push(points[points.length - 1]);
  return kept;
}

// Points an axis can show: a logarithmic one has no place for zero and below.
function pointsOf(spec, xs, ys) {
  const points = [];
  for (let i = 0; i < xs.length; ++i) {
    const [x, y] = [xs[i], ys[i]];
    if (!Number.isFinite(x) || !Number.isFinite(y) || (spec.x.log && x <= 0) || (spec.y.log && y <= 0)) continue;
    points.push({ x, y, i });
  }
  return points;
}

function bandDatasets(spec, series, base, tint) {
  const edge = { ...base, type: "line", role: "band", borderWidth: 0, pointRadius: 0, pointHitRadius: 0, order: 40 };
  return [
    { ...edge, data: pointsOf(spec, series.x, series.low) },
    { ...edge, data: pointsOf(spec, series.x, series.high), fill: "-1", backgroundColor: alpha(tint, 0.18) },
  ];
}

function datasetsOf(spec, series, index) {
  const tint = color(series.color);
  const base = { seriesIndex: index, clip: 8, borderColor: tint, backgroundColor: tint };
  const datasets = series.low ? bandDatasets(spec, series, base, tint) : [];
  if (series.kind === "band") return datasets;
  const data = pointsOf(spec, series.x, series.y);
  if (series.kind === "line") {
    const shown = series.faint ? alpha(tint, 0.28) : tint;
    datasets.push({
      ...base,
      type: "line",
      role: series.faint ? "faint" : "main",
      data: spec.ordered === false ? data : thinned(data),
      borderColor: shown,
      borderWidth: series.width ?? 2,
      borderDash: series.dash ?? [],
      pointRadius: data.length === 1 ? 3 : 0,
      pointHitRadius: series.faint ? 0 : 5,
      pointHoverRadius: series.faint ? 0 : 4,
      order: series.faint ? 35 : 30,
    });
    return datasets;
  }
  const shape = SHAPES[(series.shape ?? 0) % SHAPES.length];
  const points = {
    ...base,
    type: "scatter",
    role: "main",
    data,
    order: 20,
    pointRadius: 4,
    pointHoverRadius: 6,
    pointHitRadius: 4,
    borderWidth: shape.open ? 2 : 0.75,
    pointStyle: shape.style,
    pointRotation: shape.rotation,
  };
  if (series.faint) Object.assign(points, { backgroundColor: alpha(tint, 0.22), borderColor: alpha(tint, 0.3), order: 25 });
  if (series.kind === "rings")
    Object.assign(points, {
      backgroundColor: "transparent",
      pointStyle: "circle",
      pointRadius: 8,
      pointHitRadius: 0,
      borderWidth: 1.6,
      order: 10,
    });
  if (series.kind === "stars") Object.assign(points, { pointRadius: 0, pointHoverRadius: 0, pointHitRadius: 9, order: 5 });
  return [...datasets, points];
}

// ---- axes and tooltips -----------------------------------------------------------------------------------------------------

// Powers of ten, at most nine of them; 1, 2 and 5 when there are few.
function logTicks(min, max) {
  const [low, high] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
  if (high - low < 2) {
    const ticks = [];
    for (let e = low - 1; e <= high; ++e) for (const m of [1, 2, 5]) ticks.push(m * 10 ** e);
    return ticks.filter((tick) => tick >= min * (1 - 1e-9) && tick <= max * (1 + 1e-9));
  }
  const step = Math.max(1, Math.ceil((high - low + 1) / 9));
  const ticks = [];
  for (let e = Math.ceil(low / step) * step; e <= high; e += step) ticks.push(10 ** e);
  return ticks;
}

function tickText(axis, value) {
  if (axis.year) return Number.isInteger(value) ? String(value) : "";
  if (!axis.log) return number(value);
  const exponent = Math.log10(value);
  return Math.abs(exponent - Math.round(exponent)) < 1e-9 && (exponent < -2 || exponent > 3)
    ? power(Math.round(exponent))
    : number(value);
}

function axisOptions(axis) {
  const options = {
    type: axis.log ? "logarithmic" : "linear",
    min: axis.min,
    max: axis.max,
    title: { display: Boolean(axis.title), text: axis.title, color: color("--soft") },
    grid: { color: color("--grid"), borderColor: color("--rule") },
    ticks: { color: color("--ink"), maxRotation: 0, autoSkipPadding: 14, callback: (value) => tickText(axis, value) },
  };
  if (axis.year) options.ticks.precision = 0;
  if (axis.log) {
    options.afterBuildTicks = (scale) => {
      scale.ticks = logTicks(scale.min, scale.max).map((value) => ({ value }));
    };
  }
  return options;
}

function describe(spec, dataset, point) {
  const series = spec.series[dataset.seriesIndex];
  const show = (axis, value) => (axis.year ? value.toFixed(1) : number(value));
  const name = series.labels?.[point.i] ?? series.name;
  const lines = [`${spec.x.title || "x"}: ${show(spec.x, point.x)}`, `${spec.y.title || "y"}: ${show(spec.y, point.y)}`];
  if (series.notes?.[point.i]) lines.push(series.notes[point.i]);
  return { name, lines: name === series.name ? lines : [series.name, ...lines] };
}

function optionsOf(state) {
  const { spec } = state;
  const item = (each) => describe(spec, each.dataset, each.dataset.data[each.dataIndex]);
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    parsing: false,
    normalized: false,
    layout: { padding: { top: 6, right: 12 } },
    interaction: { mode: "nearest", intersect: true },
    scales: { x: axisOptions(spec.x), y: axisOptions(spec.y) },
    onClick: (event, active, chart) => {
      if (!state.onPick || event.native?.detail > 1) return;
      state.onPick(chart.scales.x.getValueForPixel(event.x), chart.scales.y.getValueForPixel(event.y));
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        filter: (each) => each.dataset.role === "main",
        callbacks: { title: (items) => (items.length > 0 ? item(items[0]).name : ""), label: (each) => item(each).lines },
      },
    },
  };
}

// ---- legend, keyboard, downloads -------------------------------------------------------------------------------------------

export function swatch(series) {
  const tint = color(series.color);
  const svg = svgElement("svg", { width: 26, height: 16, viewBox: "-13 -8 26 16", "aria-hidden": "true" });
  if (series.low) svg.append(svgElement("rect", { x: -12, y: -6, width: 24, height: 12, fill: tint, opacity: 0.2 }));
  if (series.kind === "line")
    svg.append(
      svgElement("path", {
        d: "M-12 0H12",
        stroke: tint,
        "stroke-width": 2.4,
        "stroke-dasharray": (series.dash ?? []).join(" "),
      }),
    );
  if (series.kind === "rings") svg.append(svgElement("circle", { r: 6, fill: "none", stroke: tint, "stroke-width": 1.6 }));
  if (series.kind === "stars")
    svg.append(svgElement("path", { d: "M0-7L1.7-2.3 6.7-2.2 2.7.9 4.1 5.7 0 2.9-4.1 5.7-2.7.9-6.7-2.2-1.7-2.3z", fill: tint }));
  if (series.kind === "points") {
    const shape = SHAPES[(series.shape ?? 0) % SHAPES.length];
    svg.append(
      svgElement("path", {
        d: shape.path,
        fill: shape.open ? "none" : tint,
        stroke: tint,
        "stroke-width": shape.open ? 2 : 0.75,
        opacity: series.faint ? 0.4 : 1,
      }),
    );
  }
  return svg;
}

function applyHidden(state) {
  state.chart.data.datasets.forEach((dataset, i) => {
    state.chart.setDatasetVisibility(i, !state.hidden.has(state.spec.series[dataset.seriesIndex].id));
  });
}

function buildLegend(state) {
  const focused = state.legend.contains(document.activeElement) ? document.activeElement.dataset.series : null;
  state.legend.replaceChildren(
    ...state.spec.series
      .filter((series) => series.name && !(series.kind === "line" && series.faint))
      .map((series) => {
        const button = element(
          "button",
          {
            type: "button",
            class: "key",
            "data-series": series.id,
            "aria-pressed": String(!state.hidden.has(series.id)),
            onclick: () => {
              const hide = !state.hidden.has(series.id);
              for (const each of state.spec.series) {
                if (each.id !== series.id && each.of !== series.id) continue;
                if (hide) state.hidden.add(each.id);
                else state.hidden.delete(each.id);
              }
              button.setAttribute("aria-pressed", String(!hide));
              applyHidden(state);
              state.chart.update("none");
            },
          },
          swatch(series),
          element("span", {}, series.name),
        );
        return button;
      }),
  );
  if (focused !== null)
    Array.from(state.legend.children)
      .find((key) => key.dataset.series === focused)
      ?.focus();
}

// Left and right walk through the points by x, those of lines only where there are no others; Escape leaves them.
function walk(state, step) {
  const { chart } = state;
  const shown = chart.data.datasets
    .map((dataset, datasetIndex) => ({ dataset, datasetIndex }))
    .filter(
      ({ dataset, datasetIndex }) => dataset.role === "main" && chart.isDatasetVisible(datasetIndex) && dataset.data.length > 0,
    );
  const marks = shown.filter(({ dataset }) => dataset.type === "scatter");
  const points = (marks.length > 0 ? marks : shown).flatMap(({ dataset, datasetIndex }) =>
    dataset.data.map((point, index) => ({ datasetIndex, index, point, dataset })),
  );
  if (points.length === 0) return;
  points.sort((a, b) => a.point.x - b.point.x);
  state.position =
    state.position === null ? (step > 0 ? 0 : points.length - 1) : (state.position + step + points.length) % points.length;
  const { datasetIndex, index, point, dataset } = points[state.position];
  const { x, y } = chart.getDatasetMeta(datasetIndex).data[index];
  chart.setActiveElements([{ datasetIndex, index }]);
  chart.tooltip.setActiveElements([{ datasetIndex, index }], { x, y });
  chart.update("none");
  const { name, lines } = describe(state.spec, dataset, point);
  state.spoken.textContent = [name, ...lines].join(", ");
}

function leavePoints(state) {
  state.position = null;
  state.chart.setActiveElements([]);
  state.chart.tooltip.setActiveElements([], { x: 0, y: 0 });
  state.chart.update("none");
}

function onKey(state, event) {
  if (!state.chart) return;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    walk(state, event.key === "ArrowRight" ? 1 : -1);
  } else if (event.key === "Escape") {
    leavePoints(state);
  }
}

function chartRows(spec) {
  const rows = [["series", "name", spec.x.title || "x", spec.y.title || "y", "low", "high"]];
  for (const series of spec.series) {
    series.x.forEach((x, i) =>
      rows.push([series.name, series.labels?.[i] ?? "", x, series.y?.[i], series.low?.[i], series.high?.[i]]),
    );
  }
  return rows;
}

// The canvas is clear: pictures get the paper of the page behind it.
function picture(state) {
  const source = state.chart.canvas;
  const copy = element("canvas", { width: source.width, height: source.height });
  const context = copy.getContext("2d");
  context.fillStyle = color("--paper");
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(source, 0, 0);
  return new Promise((resolve) => {
    copy.toBlob(resolve, "image/png");
  });
}

// ---- start -----------------------------------------------------------------------------------------------------------------

// label: for screen readers; name: of downloads; size: "tall", "square" or ""; onPick(x, y): a click into the chart.
export async function createChart({ label, name, size = "", onPick = null, signal, downloads = true }) {
  const Chart = await loadLibrary();
  const canvas = element("canvas", {
    tabindex: "0",
    role: "img",
    "aria-label": `${label}. Left and right arrow keys walk through the points.`,
  });
  const state = {
    spec: { x: {}, y: {}, series: [] },
    hidden: new Set(),
    position: null,
    chart: null,
    onPick,
    legend: element("div", { class: "legend", role: "group", "aria-label": "Series" }),
    spoken: element("p", { class: "unseen", "aria-live": "polite" }),
  };
  canvas.addEventListener("keydown", (event) => onKey(state, event));
  const actions = element("div", { class: "actions" });
  if (downloads) {
    actions.append(
      element(
        "button",
        { type: "button", class: "quiet", onclick: () => download(`${name}.csv`, toCsv(chartRows(state.spec)), "text/csv") },
        "Points as CSV",
      ),
      element(
        "button",
        { type: "button", class: "quiet", onclick: async () => download(`${name}.png`, await picture(state), "image/png") },
        "Picture as PNG",
      ),
    );
  }
  const node = element(
    "figure",
    { class: `chart ${size}`.trim() },
    state.legend,
    element("div", { class: "canvas-box" }, canvas),
    actions,
    state.spoken,
  );

  function redraw() {
    if (!state.chart) return;
    state.position = null;
    state.chart.data.datasets = state.spec.series.flatMap((series, i) => datasetsOf(state.spec, series, i));
    state.chart.options = optionsOf(state);
    applyHidden(state);
    state.chart.update("none");
    buildLegend(state);
  }
  themeChanges.addEventListener("change", redraw, { signal });
  signal?.addEventListener("abort", () => state.chart?.destroy(), { once: true });

  return {
    node,
    actions,
    canvas,
    update(spec) {
      if (signal?.aborted) return;
      state.spec = spec;
      if (!state.chart) {
        Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
        Chart.defaults.font.size = 12;
        state.chart = new Chart(canvas, {
          type: "scatter",
          data: { datasets: [] },
          options: optionsOf(state),
          plugins: [overlay(state)],
        });
      }
      redraw();
    },
  };
}
