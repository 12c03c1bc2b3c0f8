// SPDX-License-Identifier: Apache-2.0
// Run folders as the server lists them: figures of a run, its place on the compute chart, its rows of metrics.
import { api } from "./api.js";
import { decimalYear } from "./format.js";

export async function listRuns(options) {
  return (await api.get("/api/runs", options)).runs.filter((run) => run.kind === "run");
}

const numberOrNull = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

export function figuresOf(run) {
  const facts = run.run ?? {};
  const text = (value) => (typeof value === "string" ? value : "");
  return {
    name: run.name,
    system: text(facts.system),
    date: text(facts.date),
    steps: numberOrNull(facts.steps),
    parameters: numberOrNull(facts.parameters),
    flop: numberOrNull(facts.flop?.total),
    hours: numberOrNull(facts.wall_hours),
    finished: run.finished,
    hasMetrics: run.members.includes("metrics.jsonl"),
  };
}

// Runs with a date and counted compute as a series of stars.
export function starsOf(runs, color = "--star") {
  const placed = runs
    .map(figuresOf)
    .map((run) => ({ ...run, year: decimalYear(run.date) }))
    .filter((run) => Number.isFinite(run.year) && run.flop > 0);
  if (placed.length === 0) return null;
  return {
    id: "runs",
    name: "Runs of this machine",
    kind: "stars",
    color,
    x: placed.map((run) => run.year),
    y: placed.map((run) => run.flop),
    labels: placed.map((run) => run.name),
  };
}

// {"train/loss": 1, "time": {"seconds": 2}} -> {"train/loss": 1, "time.seconds": 2}; numbers only
export function flatten(row) {
  const flat = {};
  for (const [key, value] of Object.entries(row)) {
    if (typeof value === "number") flat[key] = value;
    else if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      for (const [inner, each] of Object.entries(value)) if (typeof each === "number") flat[`${key}.${inner}`] = each;
    }
  }
  return flat;
}

// The rows of one run, which may still grow.
export class RunRows {
  #next = 0;
  #lastStep = -Infinity;

  constructor(name) {
    this.name = name;
    this.rows = [];
  }

  // Everything new in the file. True when there was something.
  async load(options) {
    let grown = false;
    for (;;) {
      const answer = await api.get(`/api/runs/${encodeURIComponent(this.name)}/metrics?after=${this.#next}`, options);
      if (answer.next < this.#next) {
        // continued from an earlier checkpoint
        this.rows = [];
        this.#lastStep = -Infinity;
        this.#next = 0;
        continue;
      }
      this.#next = answer.next;
      for (const row of answer.rows) grown = this.add(row) || grown;
      if (answer.at_end) return grown;
    }
  }

  // One row; those that are here already are left out.
  add(row) {
    const flat = flatten(row);
    const step = flat.step ?? this.rows.length;
    if (step <= this.#lastStep) return false;
    this.#lastStep = step;
    this.rows.push(flat);
    return true;
  }

  keys() {
    return new Set(this.rows.flatMap((row) => Object.keys(row)));
  }
}

export const X_AXES = {
  step: { title: "step", of: (row) => row.step },
  time: { title: "time [s]", of: (row) => row["time.seconds"] },
  flops: { title: "FLOP", of: (row) => row.flops },
};

// Points of one figure, and the same as an exponential moving average, corrected for its start.
export function curve(rows, key, axis, smoothing) {
  const x = [],
    y = [],
    smooth = [];
  let mean = 0,
    weight = 0;
  for (const row of rows) {
    const [at, value] = [X_AXES[axis].of(row), row[key]];
    if (at === undefined || value === undefined) continue;
    mean = smoothing * mean + (1 - smoothing) * value;
    weight = smoothing * weight + (1 - smoothing);
    x.push(at);
    y.push(value);
    smooth.push(mean / weight);
  }
  return { x, y, smooth };
}
