// SPDX-License-Identifier: Apache-2.0
// Draws the charts of the report from the JSON beside them, with legend buttons, tooltips, keyboard and downloads.
"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.errors = "0";
  const fail = (error) => {
    root.dataset.errors = String(Number(root.dataset.errors) + 1);
    console.error(error);
  };
  window.addEventListener("error", (event) => fail(event.error || event.message));
  document.addEventListener("securitypolicyviolation", (event) => fail(`blocked: ${event.blockedURI}`));

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  // The palette's black is the ink of the page.
  const themed = (color) => (color === "#000000" && dark.matches ? "#f2f2f2" : color);
  const translucent = (color, alpha) => color + Math.round(alpha * 255).toString(16).padStart(2, "0");

  const SUPERSCRIPT = { "-": "\u207B", 0: "\u2070", 1: "\u00B9", 2: "\u00B2", 3: "\u00B3", 4: "\u2074", 5: "\u2075", 6: "\u2076", 7: "\u2077", 8: "\u2078", 9: "\u2079" };
  function number(value) {
    const size = Math.abs(value);
    if (size === 0 || (size >= 1e-3 && size < 1e6)) return String(Number(value.toPrecision(6)));
    const [mantissa, exponent] = value.toExponential(2).split("e");
    const raised = Array.from(String(Number(exponent)), (c) => SUPERSCRIPT[c]).join("");
    return `${Number(mantissa)}\u00D710${raised}`;
  }

  // Point shapes in the order of the C++ side: name and rotation of Chart.js, outline for the legend.
  const SHAPES = [
    { style: "circle", rotation: 0, path: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z" },
    { style: "rect", rotation: 0, path: "M-3.5 -3.5h7v7h-7z" },
    { style: "triangle", rotation: 0, path: "M0 -4.6L4.4 3.2H-4.4z" },
    { style: "rectRot", rotation: 0, path: "M0 -5L5 0L0 5L-5 0z" },
    { style: "triangle", rotation: 180, path: "M0 4.6L4.4 -3.2H-4.4z" },
    { style: "crossRot", rotation: 0, path: "M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6", open: true },
    { style: "cross", rotation: 0, path: "M-5 0H5M0 -5V5", open: true },
  ];
  const RADIUS = 4;
  const STAR_RADIUS = 9;

  function starPoints(x, y, radius) {
    const points = [];
    for (let i = 0; i < 10; ++i) {
      const r = i % 2 === 0 ? radius : radius * 0.4;
      const angle = (Math.PI * i) / 5 - Math.PI / 2;
      points.push([x + r * Math.cos(angle), y + r * Math.sin(angle)]);
    }
    return points;
  }

  // ---- data sets -------------------------------------------------------------------------------------------------

  const fraction = (axis, value) => (axis.log
    ? Math.log(value / axis.min) / Math.log(axis.max / axis.min)
    : (value - axis.min) / (axis.max - axis.min));

  // Points of a line that carry a mark: spread evenly over the picture, whatever the axes.
  function markedPoints(spec, series) {
    const marked = new Set();
    let last = null;
    series.x.forEach((x, i) => {
      const here = [fraction(spec.x, x), 0.6 * fraction(spec.y, series.y[i])];
      if (last !== null && Math.hypot(here[0] - last[0], here[1] - last[1]) < 0.07) return;
      marked.add(i);
      last = here;
    });
    return marked;
  }

  function lineDatasets(spec, series, index, color) {
    const base = { type: "line", seriesIndex: index, borderColor: color, pointRadius: 0, clip: 6 };
    const datasets = [];
    if (series.low.length > 0) {
      const edge = { ...base, role: "band", borderWidth: 0, pointHitRadius: 0, order: 40 };
      datasets.push({ ...edge, data: series.x.map((x, i) => ({ x, y: series.low[i] })) });
      datasets.push({ ...edge, data: series.x.map((x, i) => ({ x, y: series.high[i] })), fill: "-1", backgroundColor: translucent(color, 0.2) });
    }
    const shape = SHAPES[series.shape];
    const marked = series.markers ? markedPoints(spec, series) : new Set();
    datasets.push({
      ...base, role: "main", borderWidth: 2.2, borderDash: series.dash, order: 30, pointHitRadius: 6, pointHoverRadius: 4,
      backgroundColor: color, pointStyle: shape.style, pointRotation: shape.rotation,
      pointRadius: (context) => (marked.has(context.dataIndex) ? RADIUS : 0),
      data: series.x.map((x, i) => ({ x, y: series.y[i] })),
    });
    return datasets;
  }

  function pointDatasets(series, index, color) {
    const dataset = {
      type: "scatter", seriesIndex: index, role: "main", clip: 10, order: 20, borderColor: color, backgroundColor: color,
      pointRadius: RADIUS, pointHoverRadius: RADIUS + 2, pointHitRadius: 4, borderWidth: 1,
      data: series.x.map((x, i) => ({ x, y: series.y[i] })),
    };
    if (series.mark === "rings") {
      Object.assign(dataset, { order: 10, backgroundColor: "transparent", borderWidth: 1.6, pointRadius: 8, pointHoverRadius: 9, pointHitRadius: 0 });
    } else if (series.mark === "stars") {
      Object.assign(dataset, { order: 5, pointRadius: 0, pointHoverRadius: 0, pointHitRadius: STAR_RADIUS });
    } else {
      const shape = SHAPES[series.shape];
      Object.assign(dataset, { pointStyle: shape.style, pointRotation: shape.rotation, borderWidth: shape.open ? 2 : 0.75 });
      if (shape.style.startsWith("triangle")) dataset.pointRadius = RADIUS + 1;
    }
    return [dataset];
  }

  function barDatasets(series, index, color) {
    return [{
      type: "bar", seriesIndex: index, role: "main", order: 50, backgroundColor: color,
      categoryPercentage: 0.8, barPercentage: 0.94,
      data: series.x.map((x, i) => ({ x, y: series.y[i] })),
    }];
  }

  function datasetsOf(spec) {
    return spec.series.flatMap((series, index) => {
      const color = themed(series.color);
      if (series.mark === "line") return lineDatasets(spec, series, index, color);
      return series.mark === "bars" ? barDatasets(series, index, color) : pointDatasets(series, index, color);
    });
  }

  // ---- drawing on top of Chart.js --------------------------------------------------------------------------------

  const mainMetas = (chart) => chart.data.datasets
    .map((dataset, i) => ({ dataset, meta: chart.getDatasetMeta(i), shown: chart.isDatasetVisible(i) }))
    .filter((item) => item.shown && item.dataset.role === "main");

  function spanRows(spans) {
    const ends = [];
    return spans.map((span, i) => ({ ...span, i })).filter((span) => span.label !== "").sort((a, b) => a.x0 - b.x0).map((span) => {
      let row = 0;
      while (row < ends.length && ends[row] > span.x0) ++row;
      ends[row] = Math.max(span.x0, span.x1);
      return { ...span, row };
    });
  }
  const SPAN_ROW = 17;
  const rowCount = (spec) => spanRows(spec.spans).reduce((most, span) => Math.max(most, span.row + 1), 0);

  function fitted(context, text, width) {
    if (context.measureText(text).width <= width) return text;
    let kept = Array.from(text);
    while (kept.length > 0 && context.measureText(`${kept.join("")}\u2026`).width > width) kept = kept.slice(0, -1);
    return `${kept.join("")}\u2026`;
  }

  function drawSpans(chart, spec) {
    const { ctx, chartArea: area, scales } = chart;
    const pixel = (value) => Math.min(area.right, Math.max(area.left, scales.x.getPixelForValue(value)));
    ctx.save();
    spec.spans.forEach((span, i) => {
      const left = pixel(span.x0), right = pixel(span.x1);
      if (i % 2 === 1 && right > left) {
        ctx.fillStyle = css("--shade");
        ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
      }
      ctx.strokeStyle = css("--soft");
      ctx.setLineDash([5, 4]);
      for (const x of [left, right]) {
        if (x <= area.left + 1 || x >= area.right - 1) continue;
        ctx.beginPath();
        ctx.moveTo(x, area.top);
        ctx.lineTo(x, area.bottom);
        ctx.stroke();
      }
    });
    drawSpanNames(chart, spec, pixel);
    ctx.restore();
  }

  function drawSpanNames(chart, spec, pixel) {
    const { ctx, chartArea: area } = chart;
    ctx.fillStyle = css("--soft");
    ctx.font = `12px ${Chart.defaults.font.family}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    const named = spanRows(spec.spans);
    for (const span of named) {
      const left = pixel(span.x0), right = pixel(span.x1);
      const alone = named.filter((other) => other.row === span.row).length === 1;
      const room = alone ? chart.width - 8 : right - left - 4;
      if (room < 30) continue;
      const text = fitted(ctx, span.label, room);
      const half = ctx.measureText(text).width / 2;
      const x = Math.min(chart.width - 4 - half, Math.max(4 + half, (left + right) / 2));
      ctx.fillText(text, x, area.top - SPAN_ROW * (span.row + 0.5));
    }
  }

  function drawErrorBars(chart, spec) {
    const { ctx, scales } = chart;
    ctx.save();
    ctx.lineWidth = 1.3;
    for (const { dataset, meta } of mainMetas(chart)) {
      const series = spec.series[dataset.seriesIndex];
      if (series.mark === "line" || series.low.length === 0) continue;
      ctx.strokeStyle = series.mark === "bars" ? css("--ink") : dataset.borderColor;
      meta.data.forEach((element, i) => {
        const low = scales.y.getPixelForValue(series.low[i]), high = scales.y.getPixelForValue(series.high[i]);
        ctx.beginPath();
        ctx.moveTo(element.x, low);
        ctx.lineTo(element.x, high);
        for (const y of [low, high]) {
          ctx.moveTo(element.x - 4, y);
          ctx.lineTo(element.x + 4, y);
        }
        ctx.stroke();
      });
    }
    ctx.restore();
  }

  function drawStars(chart, spec) {
    const { ctx } = chart;
    for (const { dataset, meta } of mainMetas(chart)) {
      if (spec.series[dataset.seriesIndex].mark !== "stars") continue;
      ctx.fillStyle = dataset.borderColor;
      for (const element of meta.data) {
        ctx.beginPath();
        for (const [x, y] of starPoints(element.x, element.y, STAR_RADIUS)) ctx.lineTo(x, y);
        ctx.closePath();
        ctx.fill();
      }
    }
  }

  // The same greedy placement as label_placement.cc: eight directions, growing distance, skip what finds no room.
  const DIRECTIONS = [[1, 0], [1, -1], [1, 1], [-1, 0], [-1, -1], [-1, 1], [0, -1], [0, 1]];
  const DISTANCES = [0, 12, 26, 44];
  const FAR = [70, 100, 140];  // for what must stand
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  function crosses(line, box) {
    const dx = line.x1 - line.x0, dy = line.y1 - line.y0;
    let enter = 0, leave = 1;
    const sides = [[-dx, line.x0 - box.left], [dx, box.right - line.x0], [-dy, line.y0 - box.top], [dy, box.bottom - line.y0]];
    for (const [p, q] of sides) {
      if (p === 0 && q < 0) return false;
      if (p < 0) enter = Math.max(enter, q / p);
      if (p > 0) leave = Math.min(leave, q / p);
    }
    return enter <= leave;
  }

  function meet(a, b) {
    const side = (line, x, y) => (line.x1 - line.x0) * (y - line.y0) - (line.y1 - line.y0) * (x - line.x0);
    return side(a, b.x0, b.y0) * side(a, b.x1, b.y1) < 0 && side(b, a.x0, a.y0) * side(b, a.x1, a.y1) < 0;
  }

  function candidate(label, [dx, dy], distance) {
    const scale = dx !== 0 && dy !== 0 ? 0.7 : 1;
    const reach = (label.radius + 2 + distance) * scale;
    const x = label.x + dx * reach, y = label.y + dy * reach;
    const left = dx > 0 ? x : dx < 0 ? x - label.width : x - label.width / 2;
    const top = dy > 0 ? y : dy < 0 ? y - label.height : y - label.height / 2;
    const line = { x0: label.x + dx * label.radius * scale, y0: label.y + dy * label.radius * scale, x1: x, y1: y };
    return { box: { left, top, right: left + label.width, bottom: top + label.height }, line, leader: distance > 0, far: distance >= FAR[0] };
  }

  function placeLabels(area, obstacles, strokes, labels) {
    const placed = [];
    const hidesMark = ({ box }) => obstacles.some((obstacle) => overlap(box, obstacle));
    const hidesLabel = ({ box, line, leader }) =>
      box.left < area.left || box.right > area.right || box.top < area.top || box.bottom > area.bottom ||
      placed.some((other) => overlap(box, other.box) || (leader && crosses(line, other.box)) ||
        (other.leader && (crosses(other.line, box) || (leader && meet(line, other.line)))));
    for (const label of labels.sort((a, b) => b.mustStand - a.mustStand)) {
      const above = label.aboveFirst ? [[[0, -1], 0]] : [];
      const distances = label.mustStand ? DISTANCES.concat(FAR) : DISTANCES;
      const tries = above.concat(distances.flatMap((distance) => DIRECTIONS.map((direction) => [direction, distance])));
      const open = tries.map(([direction, distance]) => candidate(label, direction, distance)).filter((place) => !hidesLabel(place));
      const free = open.filter((place) => !hidesMark(place));
      const found = free.find((place) => !place.far && !strokes.some((stroke) => crosses(stroke, place.box))) || free[0] || (label.mustStand && open[0]);
      if (found) placed.push({ ...found, text: label.text });
    }
    return placed;
  }

  function spanStrokes(chart, spec) {
    const { top, bottom } = chart.chartArea;
    return spec.spans.flatMap((span) => [span.x0, span.x1]).map((value) => {
      const x = chart.scales.x.getPixelForValue(value);
      return { x0: x, y0: top, x1: x, y1: bottom };
    });
  }

  function drawLabels(chart, spec) {
    const { ctx, chartArea } = chart;
    const obstacles = [], strokes = spanStrokes(chart, spec), labels = [];
    ctx.save();
    ctx.font = `12px ${Chart.defaults.font.family}`;
    for (const { dataset, meta } of mainMetas(chart)) {
      const series = spec.series[dataset.seriesIndex];
      const bars = series.mark === "bars";
      const radius = { rings: 8, stars: STAR_RADIUS, points: RADIUS }[series.mark] || 2;
      meta.data.forEach((element, i) => {
        if (bars) {
          const { x, width, y, base } = element.getProps(["x", "width", "y", "base"], true);
          obstacles.push({ left: x - width / 2, right: x + width / 2, top: Math.min(y, base), bottom: Math.max(y, base) });
        } else if (series.mark !== "line") {
          obstacles.push({ left: element.x - radius, right: element.x + radius, top: element.y - radius, bottom: element.y + radius });
        } else if (i > 0) {
          const before = meta.data[i - 1];
          strokes.push({ x0: before.x, y0: before.y, x1: element.x, y1: element.y });
        }
        if (!series.annotate[i]) return;
        const high = bars && series.high.length > 0 && series.y[i] >= 0;
        const y = high ? chart.scales.y.getPixelForValue(series.high[i]) : element.y;
        labels.push({ text: series.labels[i], x: element.x, y, radius, width: ctx.measureText(series.labels[i]).width + 2, height: 14, aboveFirst: bars, mustStand: series.mark === "stars" });
      });
    }
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    for (const { box, line, leader, text } of placeLabels(chartArea, obstacles, strokes, labels)) {
      if (leader) {
        ctx.strokeStyle = css("--soft");
        ctx.lineWidth = 0.8;
        ctx.beginPath();
        ctx.moveTo(line.x0, line.y0);
        ctx.lineTo(line.x1, line.y1);
        ctx.stroke();
      }
      ctx.strokeStyle = css("--halo");
      ctx.lineWidth = 3;
      ctx.strokeText(text, box.left + 1, (box.top + box.bottom) / 2);
      ctx.fillStyle = css("--ink");
      ctx.fillText(text, box.left + 1, (box.top + box.bottom) / 2);
    }
    ctx.restore();
  }

  // ---- configuration ---------------------------------------------------------------------------------------------

  // Lines of at most `length` letters; null when a word is longer.
  function wrapped(text, length) {
    const lines = [];
    for (const word of text.split(" ")) {
      if (word.length > length) return null;
      const last = lines[lines.length - 1];
      if (last !== undefined && last.length + word.length < length) lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    return lines;
  }

  // All categories wrapped when every one fits its slot; else all on one short line, which Chart.js turns.
  function categoryText(scale, categories, index) {
    const length = Math.floor((scale.chart.width - 60) / categories.length / 7.5);
    const fits = categories.every((category) => {
      const lines = wrapped(category, length);
      return lines !== null && lines.length <= 3;
    });
    const name = categories[index] || "";
    if (fits) return wrapped(name, length);
    const letters = Array.from(name);
    return letters.length > 16 ? `${letters.slice(0, 15).join("")}\u2026` : name;
  }

  function axisOptions(axis, isX, categories) {
    const names = new Map(axis.ticks.map(([value, text]) => [value, text]));
    return {
      type: axis.log ? "logarithmic" : "linear", min: axis.min, max: axis.max, offset: false,
      title: { display: axis.title !== "", text: axis.title, color: css("--ink") },
      grid: { color: css("--grid"), borderColor: css("--soft"), drawOnChartArea: !(isX && categories.length > 0) },
      ticks: {
        color: css("--ink"), maxRotation: categories.length > 0 ? 45 : 0, autoSkip: categories.length === 0,
        autoSkipPadding: 8,
        callback(value) {
          return isX && categories.length > 0 ? categoryText(this, categories, value) : names.get(value) || "";
        },
      },
      afterBuildTicks: (scale) => { scale.ticks = axis.ticks.map(([value]) => ({ value })); },
    };
  }

  function describe(spec, seriesIndex, i) {
    const series = spec.series[seriesIndex];
    const x = spec.categories.length > 0 ? spec.categories[series.x[i]] : number(series.x[i]);
    const lines = [`${spec.x.title || "x"}: ${x}`, `${spec.y.title || "y"}: ${number(series.y[i])}`];
    if (series.low.length > 0) lines.push(`interval: ${number(series.low[i])} to ${number(series.high[i])}`);
    const name = series.labels[i] || "";
    return { name: name || series.name, lines: name && series.name ? [series.name, ...lines] : lines };
  }

  function configOf(spec) {
    const bars = spec.series.some((series) => series.mark === "bars");
    return {
      type: bars ? "bar" : "scatter",
      data: { datasets: datasetsOf(spec) },
      options: {
        responsive: true, maintainAspectRatio: false, animation: false,
        layout: { padding: { top: 6 + SPAN_ROW * rowCount(spec), right: 14 } },
        interaction: { mode: "nearest", intersect: true },
        scales: { x: axisOptions(spec.x, true, spec.categories), y: axisOptions(spec.y, false, []) },
        plugins: {
          legend: { display: false },
          tooltip: {
            filter: (item) => item.dataset.role === "main",
            callbacks: {
              title: (items) => (items.length > 0 ? describe(spec, items[0].dataset.seriesIndex, items[0].dataIndex).name : ""),
              label: (item) => describe(spec, item.dataset.seriesIndex, item.dataIndex).lines,
            },
          },
        },
      },
      plugins: [{
        id: "tenfold",
        beforeDatasetsDraw: (chart) => drawSpans(chart, spec),
        afterDatasetsDraw: (chart) => {
          drawErrorBars(chart, spec);
          drawStars(chart, spec);
          drawLabels(chart, spec);
        },
      }],
    };
  }

  // ---- legend, keyboard, downloads -------------------------------------------------------------------------------

  function element(tag, attributes, text) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function swatch(series) {
    const color = themed(series.color);
    const make = (tag, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      return node;
    };
    const svg = make("svg", { width: 30, height: 18, viewBox: "-15 -9 30 18", "aria-hidden": "true" });
    if (series.mark === "bars") svg.append(make("rect", { x: -13, y: -6, width: 26, height: 12, fill: color }));
    if (series.mark === "line") {
      if (series.low.length > 0) svg.append(make("rect", { x: -14, y: -6, width: 28, height: 12, fill: color, opacity: 0.2 }));
      svg.append(make("path", { d: "M-14 0H14", stroke: color, "stroke-width": 2.2, "stroke-dasharray": series.dash.join(" ") }));
    }
    if (series.mark === "rings") svg.append(make("circle", { r: 7, fill: "none", stroke: color, "stroke-width": 1.6 }));
    if (series.mark === "stars") svg.append(make("polygon", { points: starPoints(0, 0, 8).join(" "), fill: color }));
    if (series.mark === "points" || series.markers) {
      const shape = SHAPES[series.shape];
      svg.append(make("path", { d: shape.path, fill: shape.open ? "none" : color, stroke: color, "stroke-width": shape.open ? 2 : 0.75 }));
    }
    return svg;
  }

  function buildLegend(state) {
    state.legend.replaceChildren();
    state.spec.series.forEach((series, index) => {
      if (series.name === "") return;
      const button = element("button", { type: "button", class: "key", "aria-pressed": String(!state.hidden.has(index)) });
      button.append(swatch(series), series.name);
      button.addEventListener("click", () => {
        const hide = !state.hidden.has(index);
        if (hide) state.hidden.add(index);
        else state.hidden.delete(index);
        button.setAttribute("aria-pressed", String(!hide));
        applyHidden(state);
        state.chart.update();
      });
      state.legend.append(button);
    });
  }

  function applyHidden(state) {
    state.chart.data.datasets.forEach((dataset, i) => {
      state.chart.setDatasetVisibility(i, !state.hidden.has(dataset.seriesIndex));
    });
  }

  // Left and right walk through the points by x; Escape leaves them.
  function walk(state, step) {
    const points = state.chart.data.datasets.flatMap((dataset, datasetIndex) => (
      dataset.role === "main" && state.chart.isDatasetVisible(datasetIndex)
        ? dataset.data.map((point, index) => ({ datasetIndex, index, x: point.x, seriesIndex: dataset.seriesIndex }))
        : []));
    if (points.length === 0) return;
    points.sort((a, b) => a.x - b.x);
    state.position = state.position === null ? (step > 0 ? 0 : points.length - 1)
      : (state.position + step + points.length) % points.length;
    const { datasetIndex, index, seriesIndex } = points[state.position];
    const { x, y } = state.chart.getDatasetMeta(datasetIndex).data[index];
    state.chart.setActiveElements([{ datasetIndex, index }]);
    state.chart.tooltip.setActiveElements([{ datasetIndex, index }], { x, y });
    state.chart.update();
    const { name, lines } = describe(state.spec, seriesIndex, index);
    state.spoken.textContent = [name, ...lines].join(", ");
  }

  function addKeyboard(state, canvas) {
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        event.preventDefault();
        walk(state, event.key === "ArrowRight" ? 1 : -1);
      } else if (event.key === "Escape") {
        state.position = null;
        state.chart.setActiveElements([]);
        state.chart.tooltip.setActiveElements([], { x: 0, y: 0 });
        state.chart.update();
      }
    });
  }

  const csvCell = (value) => {
    const text = String(value);
    return /[",\r\n]|^ | $/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");

  function chartRows(spec) {
    const rows = [["series", "name", spec.x.title || "x", spec.y.title || "y", "low", "high"]];
    for (const series of spec.series) {
      series.x.forEach((x, i) => {
        const position = spec.categories.length > 0 ? spec.categories[x] : x;
        rows.push([series.name, series.labels[i] || "", position, series.y[i], series.low[i] ?? "", series.high[i] ?? ""]);
      });
    }
    return rows;
  }

  function downloadButton(name, rows) {
    const button = element("button", { type: "button", class: "action" }, "Download CSV");
    button.addEventListener("click", () => {
      const url = URL.createObjectURL(new Blob([csv(rows())], { type: "text/csv" }));
      element("a", { href: url, download: `${name}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
    return button;
  }

  // ---- start -----------------------------------------------------------------------------------------------------

  function draw(state) {
    if (state.chart) state.chart.destroy();
    state.position = null;
    state.chart = new Chart(state.canvas, configOf(state.spec));
    applyHidden(state);
    state.chart.update();
    buildLegend(state);
  }

  function start(figure) {
    const state = {
      spec: JSON.parse(figure.querySelector("script.chart-data").textContent),
      legend: figure.querySelector(".legend"), canvas: figure.querySelector("canvas"),
      spoken: element("p", { class: "unseen", "aria-live": "polite" }), hidden: new Set(), chart: null, position: null,
    };
    figure.classList.add("live");
    try {
      draw(state);
    } catch (error) {
      figure.classList.remove("live");  // the still picture stays
      throw error;
    }
    addKeyboard(state, state.canvas);
    const actions = element("div", { class: "actions" });
    actions.append(downloadButton(state.spec.id, () => chartRows(state.spec)));
    const still = figure.querySelector("img.still");
    if (still) actions.append(element("a", { class: "action", href: still.src, download: `${state.spec.id}.svg` }, "Download SVG"));
    figure.append(actions, state.spoken);
    return state;
  }

  function addTableButtons() {
    document.querySelectorAll("main .table-box").forEach((box, i) => {
      if (box.closest("details.data")) return;
      const rows = () => Array.from(box.querySelectorAll("tr"), (row) => Array.from(row.cells, (cell) => cell.textContent));
      const actions = element("div", { class: "actions" });
      actions.append(downloadButton(`table-${i + 1}`, rows));
      box.after(actions);
    });
  }

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 13;
  const states = [];
  for (const figure of document.querySelectorAll("figure.chart")) {
    try {
      states.push(start(figure));
    } catch (error) {
      fail(error);
    }
  }
  addTableButtons();
  dark.addEventListener("change", () => states.forEach(draw));
  root.dataset.charts = String(states.length);
  root.dataset.ready = "true";
})();
