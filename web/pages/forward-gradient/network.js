// SPDX-License-Identifier: Apache-2.0
// A small network trained twice from the same start: by backpropagation and by forward gradients, as two jobs, drawn over each
// other while they learn.
import { api, verbOf } from "../../lib/api.js";
import { createChart } from "../../lib/chart.js";
import { announce, card, checkbox, element, labelled, selectOf, slider } from "../../lib/dom.js";
import { number } from "../../lib/format.js";
import { jobIsOver, JobWatch, stateBadge } from "../../lib/jobs.js";
import { hint, Notices } from "../../lib/notice.js";
import { curve, listRuns, RunRows, X_AXES } from "../../lib/runs.js";
import { Table } from "../../lib/table.js";

const SIDES = [
  ["backprop", "backpropagation", "--c1"],
  ["forward", "forward gradients", "--c2"],
];
const DATA_ROWS = 10000; // of the picture set: enough to see the difference, little enough to wait for

class NetworkView {
  constructor(context, place, schema) {
    Object.assign(this, { context, place, schema });
    this.notices = new Notices();
    this.pair = null; // {stem, sides: [{kind, name, color, run, rows}]}
    this.jobs = [];
  }

  buildControls() {
    const models = this.schema.properties.model.enum.filter(Boolean);
    const directions = this.schema.properties.gradient_direction.enum.filter(Boolean);
    const estimators = this.schema.properties.gradient.enum.filter((each) => each && each !== "backprop");
    this.model = selectOf(models, { value: "mlp" });
    this.width = slider("Hidden units (mlp)", { min: 8, max: 512, step: 8, value: 64 });
    this.depth = slider("Hidden layers (mlp)", { min: 1, max: 4, step: 1, value: 1 });
    this.estimator = selectOf(estimators, { value: "forward" });
    this.direction = selectOf(directions, { value: "rademacher" });
    this.tangents = slider("Directions an estimate", { min: 1, max: 16, step: 1, value: 1 });
    const rate = (log) => String(Number((10 ** log).toPrecision(2)));
    const parse = (text) => (Number(text) > 0 ? Math.log10(Number(text)) : NaN);
    this.rates = [
      slider("Learning rate, backpropagation", { min: -5, max: 0, step: 0.1, value: -1.5, print: rate, parse }),
      slider("Learning rate, forward", { min: -5, max: 0, step: 0.1, value: -3, print: rate, parse }),
    ];
    this.steps = slider("Steps", { min: 50, max: 3000, step: 50, value: 600 });
    this.seed = slider("Seed", { min: 1, max: 50, step: 1, value: 1 });
    this.button = element("button", { type: "submit", class: "main" }, "Train both");
    return card(
      "Training",
      element(
        "form",
        { onsubmit: (event) => this.submit(event) },
        labelled("Network", this.model),
        this.width.row,
        this.depth.row,
        labelled(
          "Forward estimator",
          this.estimator,
          "forward: of the weights; activity: of the activations; mezo: by a finite difference",
        ),
        labelled("Directions", this.direction),
        this.tangents.row,
        this.rates.map((each) => each.row),
        this.steps.row,
        this.seed.row,
        element("div", { class: "row" }, this.button),
      ),
      hint(`Fashion-MNIST, ${DATA_ROWS} pictures, plain SGD. One job runs at a time: backpropagation first.`),
    );
  }

  config(side) {
    const forward = side === "forward";
    const config = {
      model: this.model.value,
      steps: this.steps.get(),
      log_every: 5,
      save_every: 0,
      keep: 1,
      eval_every: Math.max(25, Math.round(this.steps.get() / 8)),
      data: { limit: DATA_ROWS },
      gradient: forward ? this.estimator.value : "backprop",
      optimizer: { name: "sgd", learning_rate: 10 ** this.rates[forward ? 1 : 0].get() },
    };
    if (this.model.value === "mlp") Object.assign(config, { width: this.width.get(), depth: this.depth.get() });
    if (forward) Object.assign(config, { gradient_direction: this.direction.value, gradient_tangents: this.tangents.get() });
    return config;
  }

  async submit(event) {
    event.preventDefault();
    this.notices.clear();
    this.button.disabled = true;
    const stem = `pair-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}`;
    const sides = SIDES.map(([kind, name, color]) => ({
      kind,
      name,
      color,
      run: `${stem}-${kind}`,
      rows: new RunRows(`${stem}-${kind}`),
    }));
    try {
      for (const side of sides) {
        await api.post(
          "/api/jobs",
          { system: "forward-gradient", verb: "train", run: side.run, seed: this.seed.get(), config: this.config(side.kind) },
          { signal: this.context.signal },
        );
        this.pair = { stem, sides };
      }
      announce("Both trainings are started");
    } catch (error) {
      if (!this.context.signal.aborted) this.notices.error(error);
    }
    this.button.disabled = false;
    this.draw();
    this.watch.refresh();
  }

  // ---- pictures ------------------------------------------------------------------------------------------------------------

  buildPictures() {
    this.axis = selectOf(
      [
        ["step", "steps"],
        ["time", "wall time"],
        ["flops", "FLOP"],
      ],
      { id: "pair-axis", onchange: () => this.draw() },
    );
    this.smoothing = slider("Smoothing", {
      min: 0,
      max: 0.98,
      step: 0.01,
      value: 0.8,
      print: (value) => String(Number(value.toFixed(2))),
      onchange: () => this.draw(),
    });
    this.log = checkbox("logarithmic", { onchange: () => this.draw() });
    this.empty = hint("No pair yet: press “Train both”.");
    this.table = new Table(
      [
        { title: "Side", value: (side) => side.name },
        { title: "State", value: (side) => this.stateOf(side), cell: (side) => stateBadge(this.stateOf(side)) },
        {
          title: "Step",
          value: (side) => side.rows.rows.at(-1)?.step,
          numeric: true,
          cell: (side) => number(side.rows.rows.at(-1)?.step, 6),
        },
        { title: "Train loss", value: (side) => side.loss, numeric: true, cell: (side) => number(last(side, "train/loss")) },
        {
          title: "Validation accuracy",
          value: (side) => side.accuracy,
          numeric: true,
          cell: (side) => number(last(side, "valid/accuracy"), 3),
        },
        { title: "FLOP", value: (side) => side.flops, numeric: true, cell: (side) => number(last(side, "flops"), 3) },
        { title: "", value: () => "", cell: (side) => this.stopButton(side) },
      ],
      { caption: "The pair", sortable: false, empty: "No pair yet." },
    );
    return card(
      "Side by side",
      this.notices.node,
      element(
        "div",
        { class: "row" },
        element("div", { class: "inline" }, element("label", { for: "pair-axis" }, "Over"), this.axis),
        element("div", { class: "inline" }, this.smoothing.row),
        this.log.row,
      ),
      this.empty,
      element("div", { class: "pair" }, this.losses.node, this.accuracies.node),
      this.table.node,
      (this.links = hint()),
    );
  }

  jobOf(side) {
    return this.jobs.find((job) => job.run === side.run);
  }

  stateOf(side) {
    return this.jobOf(side)?.state ?? "finished";
  }

  stopButton(side) {
    const job = this.jobOf(side);
    if (!job || jobIsOver(job)) return element("span");
    return element(
      "button",
      {
        type: "button",
        class: "quiet stop",
        id: `stop-side-${side.kind}`,
        "aria-label": `Stop ${side.name}`,
        onclick: () => api.remove(`/api/jobs/${job.id}`).catch((error) => this.notices.error(error)),
      },
      "Stop",
    );
  }

  draw() {
    const shown = this.pair !== null;
    this.empty.hidden = shown;
    this.losses.node.hidden = this.accuracies.node.hidden = this.table.node.hidden = !shown;
    if (!shown) return;
    const axis = this.axis.value;
    for (const [chart, key, smoothing, title, log] of [
      [this.losses, "train/loss", this.smoothing.get(), "training loss", this.log.input.checked],
      [this.accuracies, "valid/accuracy", 0, "validation accuracy", false],
    ]) {
      const series = this.pair.sides.map((side) => {
        const points = curve(side.rows.rows, key, axis, smoothing);
        return { id: side.kind, name: side.name, kind: "line", color: side.color, width: 2.2, x: points.x, y: points.smooth };
      });
      chart.update({ x: { title: X_AXES[axis].title, min: 0 }, y: { title, log }, series });
    }
    this.table.set(this.pair.sides);
    this.links.replaceChildren(
      element(
        "a",
        { href: `#/runs?show=${encodeURIComponent(this.pair.sides.map((side) => side.run).join("|"))}` },
        "Both on the page of runs",
      ),
      ", with their configurations.",
    );
  }

  // The newest pair whose folders are still there.
  async findPair() {
    const names = (await listRuns({ signal: this.context.signal }))
      .map((run) => run.name)
      .filter((name) => /^pair-[0-9-]+-(backprop|forward)$/.test(name));
    const stem = [...new Set(names.map((name) => name.replace(/-(backprop|forward)$/, "")))].sort().at(-1);
    if (!stem || this.pair) return;
    this.pair = {
      stem,
      sides: SIDES.map(([kind, name, color]) => ({
        kind,
        name,
        color,
        run: `${stem}-${kind}`,
        rows: new RunRows(`${stem}-${kind}`),
      })),
    };
    await this.loadRows();
  }

  async loadRows() {
    try {
      const there = (await listRuns({ signal: this.context.signal }))
        .filter((run) => run.members.includes("metrics.jsonl"))
        .map((run) => run.name);
      for (const side of this.pair?.sides ?? [])
        if (there.includes(side.run)) await side.rows.load({ signal: this.context.signal });
    } catch (error) {
      if (!this.context.signal.aborted) this.notices.error(error);
    }
    this.draw();
  }

  async mount() {
    const { signal } = this.context;
    this.losses = await createChart({ label: "Training loss of both", name: "pair-loss", signal });
    this.accuracies = await createChart({ label: "Validation accuracy of both", name: "pair-accuracy", signal });
    this.place.append(
      element(
        "div",
        { class: "split" },
        element("div", { class: "first" }, this.buildPictures()),
        element("div", { class: "controls" }, this.buildControls()),
      ),
    );
    this.draw();
    const states = new Map();
    this.watch = new JobWatch(signal, {
      changed: (jobs) => {
        this.jobs = jobs;
        const own = this.pair?.sides.map((side) => this.jobOf(side)).filter(Boolean) ?? [];
        const moved = own.some((job) => states.get(job.id) !== job.state);
        for (const job of own) states.set(job.id, job.state);
        for (const job of own) if (job.error && job.state === "failed" && moved) this.notices.error({ fields: job.error });
        if (moved) this.loadRows();
        else if (this.pair) this.table.set(this.pair.sides);
      },
      row: (job, row) => {
        const side = this.pair?.sides.find((each) => each.run === job.run);
        if (side?.rows.add(row)) this.draw();
      },
      failed: (error) => this.notices.error(error),
    });
    await this.findPair();
  }
}

// The newest value of a figure that not every row has.
function last(side, key) {
  for (let i = side.rows.rows.length - 1; i >= 0; --i) if (side.rows.rows[i][key] !== undefined) return side.rows.rows[i][key];
  return undefined;
}

export async function networkView(context, place) {
  const { verb } = await verbOf("forward-gradient", "train");
  await new NetworkView(context, place, verb.schema).mount();
}
