// SPDX-License-Identifier: Apache-2.0
// Runs: loss curves of several runs over each other, live while they train; what two configurations differ in; start and stop.
import { api } from "../lib/api.js";
import { createChart, PALETTE, swatch } from "../lib/chart.js";
import { announce, card, checkbox, element, selectOf, setOptions, slider } from "../lib/dom.js";
import { duration, number, plural, when } from "../lib/format.js";
import { jobIsOver, jobTable, JobWatch, stateBadge } from "../lib/jobs.js";
import { hint, Notices } from "../lib/notice.js";
import { curve, figuresOf, listRuns, RunRows, X_AXES } from "../lib/runs.js";
import { Table } from "../lib/table.js";
import { compareCard } from "./runs/compare.js";
import { startCard } from "./runs/start.js";

const MOST_SHOWN = PALETTE.length;
const POLL = 2000;
const PREFERRED = ["train/loss", "valid/loss", "valid/accuracy"];

class RunsPage {
  constructor(context) {
    this.context = context;
    this.runs = [];
    this.jobs = [];
    this.shown = new Map(); // name -> {rows, color}
    this.notices = new Notices();
    this.jobNotices = new Notices();
    this.metric = "train/loss";
    this.fresh = false;
    this.polls = 0;
  }

  // ---- list ----------------------------------------------------------------------------------------------------------------

  jobOf(name) {
    return this.jobs.find((job) => job.run === name);
  }

  stateOf(run) {
    const job = this.jobOf(run.name);
    if (job && !jobIsOver(job)) return job.state;
    return run.finished ? "finished" : "unfinished";
  }

  buildTable() {
    this.filter = element("input", {
      type: "search",
      placeholder: "Filter runs",
      "aria-label": "Filter runs by name",
      oninput: () => this.fillTable(),
    });
    this.table = new Table(
      [
        {
          title: "Show",
          class: "slim",
          value: (run) => (this.shown.has(run.name) ? 0 : 1),
          sort: false,
          cell: (run) => this.showBox(run),
        },
        { title: "Run", value: (run) => run.name, cell: (run) => element("span", {}, run.name) },
        { title: "System", value: (run) => run.system },
        { title: "State", value: (run) => this.stateOf(run), cell: (run) => stateBadge(this.stateOf(run)) },
        { title: "Steps", value: (run) => run.steps, numeric: true, cell: (run) => number(run.steps, 6) },
        { title: "FLOP", value: (run) => run.flop, numeric: true, cell: (run) => number(run.flop, 3) },
        {
          title: "Time",
          value: (run) => run.hours,
          numeric: true,
          cell: (run) => (run.hours === null ? "–" : duration(3600 * run.hours)),
        },
        { title: "Date", value: (run) => run.date, class: "keep", cell: (run) => (run.date ? when(run.date) : "–") },
      ],
      {
        caption: "Runs",
        sortBy: 7,
        descending: true,
        empty: "No run yet. Start one below, or give the server a folder: tenfold serve DIR.",
      },
    );
    this.table.node.classList.add("high");
    const none = element("button", { type: "button", class: "quiet", onclick: () => this.showOnly([]) }, "Show none");
    return card(
      "Runs",
      this.notices.node,
      element("div", { class: "row" }, element("div", { class: "inline grow" }, this.filter), none),
      this.table.node,
    );
  }

  showBox(run) {
    const shown = this.shown.get(run.name);
    const box = element("input", {
      type: "checkbox",
      id: `show-${run.name}`,
      "aria-label": `Show ${run.name}`,
      checked: Boolean(shown),
      disabled: !run.hasMetrics,
      onchange: () => (box.checked ? this.show(run.name) : this.hide(run.name)),
    });
    return element("span", { class: "check" }, box, shown ? swatch({ kind: "line", color: shown.color }) : null);
  }

  fillTable() {
    const wanted = this.filter.value.trim().toLowerCase();
    this.table.set(this.runs.filter((run) => run.name.toLowerCase().includes(wanted)));
  }

  async refreshRuns() {
    try {
      this.runs = (await listRuns({ signal: this.context.signal })).map(figuresOf);
      this.notices.clear();
    } catch (error) {
      if (!this.context.signal.aborted) this.notices.error(error);
      return;
    }
    this.fillTable();
    this.compare.setRuns(this.runs.map((run) => run.name));
  }

  // ---- curves --------------------------------------------------------------------------------------------------------------

  show(name) {
    if (this.shown.has(name)) return null;
    if (this.shown.size === MOST_SHOWN) {
      this.notices.show(hint(`At most ${MOST_SHOWN} runs fit into one chart: hide another one first.`));
      this.fillTable();
      return null;
    }
    const used = new Set([...this.shown.values()].map((each) => each.color));
    this.shown.set(name, { rows: new RunRows(name), color: PALETTE.find((color) => !used.has(color)) });
    this.rememberShown();
    this.fillTable();
    return this.load(name);
  }

  hide(name) {
    this.shown.delete(name);
    this.rememberShown();
    this.fillTable();
    this.draw();
  }

  showOnly(names) {
    for (const name of this.shown.keys()) if (!names.includes(name)) this.shown.delete(name);
    for (const name of names) this.show(name);
    this.rememberShown();
    this.fillTable();
    this.draw();
  }

  rememberShown() {
    this.context.setQuery({ show: [...this.shown.keys()].join("|") });
  }

  async load(name) {
    const shown = this.shown.get(name);
    const run = this.runs.find((each) => each.name === name);
    if (!shown || !run?.hasMetrics) return; // a run that has just begun has no rows yet
    try {
      if (await shown.rows.load({ signal: this.context.signal })) this.draw();
      this.fillMetrics();
    } catch (error) {
      if (!this.context.signal.aborted) this.notices.error(error);
    }
  }

  // A run that a job of this server writes sends its rows by itself; others are looked at again now and then.
  pollOthers() {
    for (const [name] of this.shown) {
      const run = this.runs.find((each) => each.name === name);
      const job = this.jobOf(name);
      if (run && !run.finished && !(job && job.state === "running")) this.load(name);
    }
    this.polls += 1;
    if (this.polls % 5 === 0) this.refreshRuns();
    this.timer = setTimeout(() => this.pollOthers(), POLL);
  }

  fillMetrics() {
    const keys = new Set();
    for (const { rows } of this.shown.values()) for (const key of rows.keys()) keys.add(key);
    for (const key of ["step", "flops", "time.seconds", "time.unix"]) keys.delete(key);
    const names = [...keys].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
    if (names.length > 0) setOptions(this.metricBox, names, names.includes(this.metric) ? this.metric : names[0]);
    if (this.metricBox.value !== this.metric && names.length > 0) {
      this.metric = this.metricBox.value;
      this.draw();
    }
  }

  buildCurves() {
    this.metricBox = selectOf(["train/loss"], {
      id: "metric",
      onchange: () => {
        this.metric = this.metricBox.value;
        this.draw();
      },
    });
    this.axisBox = selectOf(
      [
        ["step", "steps"],
        ["time", "wall time"],
        ["flops", "FLOP"],
      ],
      { id: "axis", onchange: () => this.draw() },
    );
    this.smoothing = slider("Smoothing", {
      min: 0,
      max: 0.99,
      step: 0.01,
      value: 0.6,
      print: (value) => String(Number(value.toFixed(2))),
      onchange: () => this.draw(),
    });
    this.logBox = checkbox("logarithmic", { onchange: () => this.draw() });
    this.empty = hint("Tick a run to see its curves.");
    this.last = element("p", { class: "hint" });
    return card(
      "Curves",
      element(
        "div",
        { class: "row" },
        element("div", { class: "inline" }, element("label", { for: "metric" }, "Figure"), this.metricBox),
        element("div", { class: "inline" }, element("label", { for: "axis" }, "Over"), this.axisBox),
        element("div", { class: "inline" }, this.smoothing.row),
        this.logBox.row,
      ),
      this.empty,
      this.chart.node,
      this.last,
    );
  }

  // At most one drawing a frame: rows may come in fast.
  draw() {
    if (this.fresh) return;
    this.fresh = true;
    requestAnimationFrame(() => {
      this.fresh = false;
      if (!this.context.signal.aborted) this.drawNow();
    });
  }

  drawNow() {
    const [axis, smoothing] = [this.axisBox.value, this.smoothing.get()];
    const series = [];
    const last = [];
    for (const [name, { rows, color }] of this.shown) {
      const points = curve(rows.rows, this.metric, axis, smoothing);
      if (points.x.length === 0) continue;
      if (smoothing > 0 && points.x.length > 2)
        series.push({
          id: `${name} raw`,
          of: name,
          name: `${name}, raw`,
          kind: "line",
          faint: true,
          width: 1,
          color,
          x: points.x,
          y: points.y,
        });
      series.push({ id: name, name, kind: "line", color, width: 2.2, x: points.x, y: points.smooth });
      last.push(`${name}: ${number(points.y.at(-1))}`);
    }
    this.empty.hidden = this.shown.size > 0;
    this.chart.node.hidden = series.length === 0;
    this.last.textContent =
      last.length > 0
        ? `Last value of ${this.metric}. ${last.join("; ")}.`
        : this.shown.size > 0
          ? "No values of this figure yet."
          : "";
    if (series.length > 0)
      this.chart.update({
        x: { title: X_AXES[axis].title, log: false },
        y: { title: this.metric, log: this.logBox.input.checked },
        series,
      });
  }

  // ---- jobs ----------------------------------------------------------------------------------------------------------------

  buildJobs() {
    this.jobsTable = jobTable({ empty: "No job since the server started.", failed: (error) => this.jobNotices.error(error) });
    const before = new Map();
    this.watch = new JobWatch(this.context.signal, {
      changed: (jobs) => {
        this.jobs = jobs;
        this.jobsTable.set(jobs);
        this.jobNotices.clear();
        const changed = jobs.some((job) => before.get(job.id) !== job.state);
        for (const job of jobs) before.set(job.id, job.state);
        if (changed)
          this.refreshRuns().then(() => jobs.filter((job) => this.shown.has(job.run)).forEach((job) => this.load(job.run)));
      },
      row: (job, metrics) => {
        const shown = this.shown.get(job.run);
        if (shown?.rows.add(metrics)) this.draw();
        if (shown?.rows.rows.length === 1) this.fillMetrics();
      },
      failed: (error) => this.jobNotices.error(error),
    });
    return card(
      "Jobs",
      hint("Started from this page or the API; one runs, one more may wait."),
      this.jobNotices.node,
      this.jobsTable.node,
    );
  }

  async started(job) {
    announce(`Job ${job.run} started`);
    await this.watch.refresh();
    await this.refreshRuns();
    this.show(job.run);
    this.chart.node.closest(".card").scrollIntoView({ block: "start" });
  }

  async mount() {
    const { root, query, signal } = this.context;
    root.append(
      element(
        "p",
        { class: "lead" },
        "Training runs of this machine: watch them learn, lay their curves over each other, see what their configurations differ in.",
      ),
    );
    this.chart = await createChart({ label: "Curves of the chosen runs", name: "runs", size: "tall", signal });
    this.chart.node.hidden = true;
    this.compare = compareCard({ signal });
    const start = await startCard({ signal, started: (job) => this.started(job) }, query.get("start") !== null);
    root.append(this.buildCurves(), this.buildTable(), this.buildJobs(), start.node, this.compare.node);
    await this.refreshRuns();
    const asked = (query.get("show") ?? "").split("|").filter(Boolean).slice(0, MOST_SHOWN);
    const newest = this.runs
      .filter((run) => run.hasMetrics)
      .sort((a, b) => b.date.localeCompare(a.date))
      .slice(0, 2)
      .map((run) => run.name);
    await Promise.all([this.watch.ready, ...(asked.length > 0 ? asked : newest).map((name) => this.show(name))]);
    if (this.runs.length > 0) announce(plural(this.runs.length, "run"));
    this.context.onReconnect(() => this.refreshRuns());
    this.context.onLeave(() => clearTimeout(this.timer));
    this.pollOthers();
    if (query.get("start") !== null) start.focus();
  }
}

const rank = (key) =>
  PREFERRED.includes(key) ? PREFERRED.indexOf(key) : key.startsWith("valid/") ? 3 : key.startsWith("time") ? 5 : 4;

export default {
  title: "Runs",
  mount: (context) => new RunsPage(context).mount(),
};
