// SPDX-License-Identifier: Apache-2.0
// Descent on a function of two variables: contours with the paths, the value over the steps, and a player that moves both.
import { api, latest, verbOf } from "../../lib/api.js";
import { createChart } from "../../lib/chart.js";
import { contours, logLevels } from "../../lib/contour.js";
import { announce, card, checkbox, element, labelled, selectOf, slider } from "../../lib/dom.js";
import { number } from "../../lib/format.js";
import { hint, Notices } from "../../lib/notice.js";
import { simpleTable } from "../../lib/table.js";

const METHODS = [
  ["gradient", "backpropagation (exact gradient)", "--c1"],
  ["gaussian", "forward, Gaussian directions", "--c2"],
  ["rademacher", "forward, random signs", "--c3"],
  ["sphere", "forward, on the sphere", "--c4"],
];
// Where to look, and a step size at which something happens.
const VIEWS = {
  beale: { x: [-1, 5], y: [-1, 2], rate: 0.01, steps: 1000 },
  rosenbrock: { x: [-2, 2], y: [-1, 2.5], rate: 0.0005, steps: 10000 },
  quadratic: { x: [-1.5, 1.5], y: [-1.5, 1.5], rate: 0.05, steps: 200 },
  ill_conditioned: { x: [-1.5, 1.5], y: [-1.5, 1.5], rate: 0.1, steps: 1000 },
};
const GRID = 90;
const LEVELS = 16;
const FRAMES = 240;
const FRAME_TIME = 33; // ms

// Steps of a path up to a frame of the player; frames follow the logarithm of the step, because most happens early.
function frameStep(frame, steps) {
  return frame >= FRAMES ? steps : Math.expm1((Math.log1p(steps) * frame) / FRAMES);
}

class FunctionView {
  constructor(context, place, schema) {
    this.context = context;
    this.place = place;
    this.schema = schema;
    this.notices = new Notices();
    this.surface = null;
    this.answer = null;
    this.frame = FRAMES;
    this.start = null;
    this.run = 0;
  }

  view() {
    return VIEWS[this.fn.value] ?? VIEWS.quadratic;
  }

  buildControls() {
    const names = this.schema.properties.function.enum.filter(Boolean);
    const changed = () => this.changed();
    this.fn = selectOf(names, { value: this.schema.properties.function.default, onchange: () => this.newFunction() });
    this.methods = METHODS.map(([name, text]) => ({
      name,
      box: checkbox(text, { checked: name === "gradient" || name === "gaussian", onchange: changed }),
    }));
    const rate = (log) => 10 ** log;
    this.rate = slider("Step size", {
      min: -5,
      max: 0.5,
      step: 0.05,
      value: Math.log10(this.view().rate),
      print: (log) => String(Number(rate(log).toPrecision(3))),
      parse: (text) => (Number(text) > 0 ? Math.log10(Number(text)) : NaN),
      onchange: changed,
    });
    this.steps = slider("Steps", {
      min: 1,
      max: 5,
      step: 0.1,
      value: Math.log10(this.view().steps),
      print: (log) => String(Math.round(10 ** log)),
      parse: (text) => (Number(text) >= 1 ? Math.log10(Number(text)) : NaN),
      onchange: changed,
    });
    this.tangents = slider("Directions a step", { min: 1, max: 32, step: 1, value: 1, onchange: changed });
    this.runs = slider("Runs of each method", { min: 1, max: 100, step: 1, value: 10, onchange: changed });
    this.seed = slider("Seed", { min: 1, max: 50, step: 1, value: 1, onchange: changed });
    this.startX = element("input", { type: "text", class: "short", "aria-label": "Start, x", onchange: () => this.typedStart() });
    this.startY = element("input", { type: "text", class: "short", "aria-label": "Start, y", onchange: () => this.typedStart() });
    const usual = element("button", { type: "button", class: "quiet", onclick: () => this.setStart(null) }, "Usual start");
    return card(
      "Descent",
      labelled("Function", this.fn),
      (this.formula = hint()),
      element(
        "fieldset",
        {},
        element("legend", {}, "Methods"),
        this.methods.map((each) => each.box.row),
      ),
      this.rate.row,
      this.steps.row,
      this.tangents.row,
      this.runs.row,
      this.seed.row,
      element(
        "fieldset",
        {},
        element("legend", {}, "Start"),
        element("div", { class: "start-row" }, this.startX, this.startY, usual),
        element("p", { class: "help" }, "or click into the contours"),
      ),
    );
  }

  setStart(point) {
    this.start = point;
    const shown = point ?? this.surface?.start ?? [0, 0];
    this.startX.value = number(shown[0], 3);
    this.startY.value = number(shown[1], 3);
    this.changed();
  }

  typedStart() {
    const point = [Number(this.startX.value), Number(this.startY.value)];
    const good = point.map(Number.isFinite);
    this.startX.setAttribute("aria-invalid", String(!good[0]));
    this.startY.setAttribute("aria-invalid", String(!good[1]));
    if (good.every(Boolean)) {
      this.start = point;
      this.changed();
    }
  }

  newFunction() {
    const view = this.view();
    this.rate.set(Math.log10(view.rate));
    this.steps.set(Math.log10(view.steps));
    this.askSurface(this.fn.value, view);
  }

  showSurface(answer, { x, y }) {
    const lines = contours({ ...answer, xMin: x[0], xMax: x[1], yMin: y[0], yMax: y[1] }, logLevels(answer.values, LEVELS));
    this.surface = { ...answer, lines };
    this.answer = null;
    this.formula.textContent = `f = ${answer.formula}`;
    this.setStart(null);
  }

  changed() {
    this.stop();
    if (this.surface?.function === this.fn.value) this.request(); // else the surface comes first
  }

  ask(signal) {
    const methods = this.methods.filter((each) => each.box.input.checked).map((each) => each.name);
    if (methods.length === 0)
      throw Object.assign(new Error("no method"), {
        fields: { what: "no method is chosen", wanted: "at least one", remedy: "tick a method" },
      });
    const body = {
      function: this.fn.value,
      methods,
      learning_rate: 10 ** this.rate.get(),
      steps: Math.round(10 ** this.steps.get()),
      tangents: this.tangents.get(),
      runs: this.runs.get(),
      points: Math.min(2000, Math.round(10 ** this.steps.get())),
      start: this.start ?? [],
    };
    return api.post(`/api/forward-gradient/descend?seed=${this.seed.get()}`, body, { signal });
  }

  // ---- pictures ------------------------------------------------------------------------------------------------------------

  buildPictures() {
    this.scrub = element("input", {
      type: "range",
      min: 0,
      max: FRAMES,
      step: 1,
      value: String(FRAMES),
      "aria-label": "Moment of the descent",
      oninput: () => {
        this.stop();
        this.frame = Number(this.scrub.value);
        this.draw();
      },
    });
    this.play = element(
      "button",
      { type: "button", class: "main", onclick: () => (this.timer ? this.stop() : this.startPlaying()) },
      "Play",
    );
    this.moment = element("span", { class: "hint keep" });
    this.result = element("div", {});
    const pictures = card(
      "Paths",
      this.notices.node,
      element("div", { class: "player" }, this.play, this.scrub, this.moment),
      element("div", { class: "pair" }, this.paths.node, this.curve.node),
    );
    return [element("div", { class: "first" }, pictures), element("div", { class: "rest" }, card("Result", this.result))];
  }

  startPlaying() {
    this.frame = this.frame >= FRAMES ? 0 : this.frame;
    this.play.textContent = "Pause";
    this.timer = setInterval(() => {
      this.frame += 1;
      this.scrub.value = String(this.frame);
      this.draw();
      if (this.frame >= FRAMES) this.stop();
    }, FRAME_TIME);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }

  series(step, kind) {
    return this.answer.methods.map(({ method, path }) => {
      const [, name, color] = METHODS.find(([id]) => id === method);
      const until = path.filter((point) => point.step <= step);
      const shown = until.length > 0 ? until : path.slice(0, 1);
      const points = shown.filter((point) => point.value !== null);
      return kind === "path"
        ? {
            id: method,
            name,
            kind: "line",
            color,
            width: 2.2,
            x: points.map((point) => point.x[0]),
            y: points.map((point) => point.x[1]),
          }
        : {
            id: method,
            name,
            kind: "line",
            color,
            width: 2.2,
            x: points.map((point) => point.step),
            y: points.map((point) => point.value),
          };
    });
  }

  draw() {
    if (!this.answer || !this.surface) return;
    const view = this.view();
    const step = frameStep(this.frame, this.answer.steps);
    const ends = this.series(step, "path");
    const lowest = Math.min(
      ...this.answer.methods.flatMap(({ path }) => path.map((point) => point.value)).filter((value) => value > 0),
    );
    const marks = [{ x: this.surface.minimum[0], y: this.surface.minimum[1], label: "minimum" }];
    for (const each of ends)
      if (each.x.length > 0) marks.push({ x: each.x.at(-1), y: each.y.at(-1), label: "", shape: "dot", color: each.color });
    this.paths.update({
      x: { title: "x", min: view.x[0], max: view.x[1] },
      y: { title: "y", min: view.y[0], max: view.y[1] },
      ordered: false,
      contours: this.surface.lines,
      series: ends,
      marks,
    });
    this.curve.update({
      x: { title: "step", min: 0, max: this.answer.steps },
      y: { title: "f", log: true, min: Number.isFinite(lowest) ? 10 ** Math.floor(Math.log10(lowest)) : undefined },
      series: this.series(step, "value"),
    });
    this.moment.textContent = `step ${Math.round(step)} of ${this.answer.steps}`;
  }

  showResult() {
    const rows = this.answer.methods.map((each) => [
      METHODS.find(([id]) => id === each.method)[1],
      each.runs,
      each.diverged,
      ...[each.median_value, each.best_value, each.worst_value].map((value) => (value === null ? "diverged" : number(value, 3))),
    ]);
    this.result.replaceChildren(
      simpleTable(["Method", "Runs", "Diverged", "f at the end, median", "Best", "Worst"], rows, {
        caption: "Result",
        numeric: [1, 2, 3, 4, 5],
      }),
      hint(
        "f is 0 at the minimum. The paths are those of the first seed; the exact gradient has no chance in it, so it runs once. With one direction a step, forward gradients of n variables tolerate a step about (n + 2) times smaller.",
      ),
    );
    announce(rows.map((row) => `${row[0]}: ${row[3]}`).join("; "));
  }

  async mount() {
    const { signal } = this.context;
    this.paths = await createChart({
      label: "Contours of the function with the paths of the methods",
      name: "paths",
      size: "square",
      signal,
      onPick: (x, y) => this.setStart([x, y]),
    });
    this.curve = await createChart({ label: "Value of the function over the steps", name: "descent", size: "square", signal });
    this.askSurface = latest(
      (abort, name, { x, y }) =>
        api.post(
          "/api/forward-gradient/surface",
          { function: name, x_min: x[0], x_max: x[1], y_min: y[0], y_max: y[1], columns: GRID, rows: GRID },
          { signal: abort },
        ),
      {
        delay: 0,
        done: (answer, _, view) => this.showSurface(answer, view),
        failed: (error) => this.notices.error(error),
      },
    );
    this.request = latest((abort) => this.ask(abort), {
      done: (answer) => {
        this.notices.clear();
        this.answer = answer;
        this.frame = FRAMES;
        this.scrub.value = String(FRAMES);
        this.draw();
        this.showResult();
      },
      failed: (error) => this.notices.error(error),
    });
    const controls = element("div", { class: "controls" }, this.buildControls());
    this.place.append(element("div", { class: "split" }, controls, this.buildPictures()));
    this.context.onLeave(() => {
      this.stop();
      this.request.stop();
      this.askSurface.stop();
    });
    this.context.onReconnect(() => (this.surface ? this.changed() : this.newFunction()));
    this.newFunction();
  }
}

export async function functionView(context, place) {
  const { verb } = await verbOf("forward-gradient", "descend");
  await new FunctionView(context, place, verb.schema).mount();
}
