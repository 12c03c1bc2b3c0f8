// SPDX-License-Identifier: Apache-2.0
// The jobs of the server: what runs, waits and has ended, kept up to date by events; and the table that shows them.
import { api, connection } from "./api.js";
import { announce, element } from "./dom.js";
import { follow } from "./events.js";
import { when } from "./format.js";
import { Table } from "./table.js";

const POLL = 4000;
const isOver = (job) => ["finished", "failed", "stopped"].includes(job.state);
export { isOver as jobIsOver };

// Calls `changed(jobs)` whenever something about the jobs changes and `row(job, metrics)` for each line of metrics of the one
// that runs. Browsers open few connections to one server, so only that one is listened to.
export class JobWatch {
  #timer = null;
  #stop = null;
  #followed = "";

  constructor(signal, { changed, row, failed }) {
    this.jobs = [];
    Object.assign(this, { changed, row, failed, signal });
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(this.#timer);
        this.#stop?.();
      },
      { once: true },
    );
    connection.addEventListener("back", () => this.refresh(), { signal });
    this.ready = this.refresh();
  }

  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.jobs = (await api.get("/api/jobs", { signal: this.signal })).jobs;
      this.#listen();
      this.changed?.(this.jobs);
    } catch (error) {
      if (this.signal.aborted) return;
      this.failed?.(error);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), POLL);
  }

  #listen() {
    const running = this.jobs.find((job) => job.state === "running" || job.state === "stopping");
    if (!running || running.id === this.#followed) return;
    this.#stop?.();
    this.#followed = running.id;
    const find = () => this.jobs.find((job) => job.id === running.id) ?? running;
    this.#stop = follow(`/api/jobs/${running.id}/events`, {
      state: (job) => {
        const old = find();
        if (old.state !== job.state && isOver(job)) announce(`Job ${job.run}: ${job.state}`);
        Object.assign(old, job);
        this.changed?.(this.jobs);
      },
      progress: ({ line }) => {
        find().progress = line;
        this.changed?.(this.jobs);
      },
      metrics: (metrics) => this.row?.(find(), metrics),
      error: (error) => {
        find().error = error;
        this.changed?.(this.jobs);
      },
      end: () => this.refresh(),
      gone: () => this.refresh(),
    });
  }
}

const BADGES = { running: "live", stopping: "wait", waiting: "wait", finished: "good", failed: "bad", stopped: "" };
export const stateBadge = (state) => element("span", { class: `badge ${BADGES[state] ?? ""}`.trim() }, state);

// "step 120/844  loss 0.45 ..." -> 0.14; null when the line says nothing about it
function share(line) {
  const match = /step (\d+)\/(\d+)/.exec(line ?? "");
  return match ? Number(match[1]) / Number(match[2]) : null;
}

const SHORT = 90;

// The beginning of what went wrong; all of it on demand.
function failure({ what = "failed", seen, wanted, remedy }) {
  if (what.length + (remedy ?? "").length < SHORT) return element("span", {}, [what, remedy].filter(Boolean).join("; "));
  return element(
    "details",
    {},
    element("summary", {}, what.length > SHORT ? `${what.slice(0, SHORT)}…` : what),
    [what, seen && `Seen: ${seen}`, wanted && `Wanted: ${wanted}`, remedy && `What to do: ${remedy}`]
      .filter(Boolean)
      .map((line) => element("p", { class: "help" }, line)),
  );
}

function progressCell(job) {
  if (job.error) return failure(job.error);
  const done = share(job.progress);
  return element(
    "span",
    {},
    done !== null && !isOver(job)
      ? [element("progress", { max: 1, value: String(done), "aria-label": `Progress of ${job.run}` }), element("br")]
      : null,
    element("span", { class: "mono" }, job.progress || (job.state === "waiting" ? "waits for the job before it" : "–")),
  );
}

// empty: the text of an empty table; failed(error): a job that could not be stopped; short: without verb and time
export function jobTable({ empty, failed, short = false }) {
  async function stop(job) {
    try {
      await api.remove(`/api/jobs/${job.id}`);
      announce(`Job ${job.run} is being stopped`);
    } catch (error) {
      failed(error);
    }
  }
  const columns = [
    {
      title: "Run",
      value: (job) => job.run,
      cell: (job) => element("a", { href: `#/runs?show=${encodeURIComponent(job.run)}` }, job.run),
    },
    { title: "What", long: true, value: (job) => `${job.system} ${job.verb}` },
    { title: "State", value: (job) => job.state, cell: (job) => stateBadge(job.state) },
    { title: "Progress", value: (job) => job.progress, class: "progress", cell: progressCell },
    {
      title: "Started",
      class: "keep",
      long: true,
      value: (job) => job.started ?? job.created,
      cell: (job) => when(job.started ?? job.created),
    },
    {
      title: "",
      value: () => "",
      cell: (job) =>
        isOver(job)
          ? element("span")
          : element(
              "button",
              {
                type: "button",
                class: "quiet stop",
                id: `stop-${job.id}`,
                "aria-label": `Stop ${job.run}`,
                disabled: job.state === "stopping",
                onclick: () => stop(job),
              },
              "Stop",
            ),
    },
  ];
  return new Table(
    columns.filter((column) => !short || !column.long),
    { caption: "Jobs", sortable: false, empty },
  );
}
