// SPDX-License-Identifier: Apache-2.0
// Home: the ten systems, what runs now, this machine, and the compute chart with the runs of this machine as stars.
import { api } from "../lib/api.js";
import { createChart } from "../lib/chart.js";
import { card, checkbox, element } from "../lib/dom.js";
import { decimalYear, duration, number, plural } from "../lib/format.js";
import { jobIsOver, jobTable, JobWatch } from "../lib/jobs.js";
import { errorBox, hint, Notices, warning } from "../lib/notice.js";
import { listRuns, starsOf } from "../lib/runs.js";
import { pages } from "./registry.js";

async function systemTiles(signal) {
  const { systems } = await api.post("/api/tenfold/list", {}, { signal });
  systems.sort((a, b) => (a.state === "works" ? 0 : 1) - (b.state === "works" ? 0 : 1));
  return element(
    "ul",
    { class: "tiles" },
    systems.map((system) => {
      const page = pages.find((each) => each.system === system.name);
      return element(
        "li",
        { class: `tile ${system.state === "works" ? "" : "planned"}`.trim() },
        element(
          "h3",
          {},
          page ? element("a", { href: `#/${page.path}` }, system.title) : element("span", {}, system.title),
          element("span", { class: `badge ${system.state === "works" ? "good" : ""}`.trim() }, system.state),
        ),
        element("p", {}, sentence(system.use)),
      );
    }),
  );
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function jobsCard(context) {
  const notices = new Notices();
  const table = jobTable({ short: true, empty: "Nothing runs now.", failed: (error) => notices.error(error) });
  const more = element("p", { class: "hint" });
  new JobWatch(context.signal, {
    changed: (jobs) => {
      notices.clear();
      const active = jobs.filter((job) => !jobIsOver(job));
      table.set(active.length > 0 ? active : jobs.slice(0, 3));
      more.replaceChildren(
        active.length === 0 && jobs.length > 0 ? "Nothing runs now; these were the last. " : "",
        element("a", { href: "#/runs" }, "All runs"),
        " · ",
        element("a", { href: "#/runs?start=1" }, "start a training"),
      );
    },
    failed: (error) => notices.error(error),
  });
  return card("In progress", notices.node, table.node, more);
}

const MACHINE_KEY = "tenfold.machine";

function machineFacts(machine) {
  const facts = [
    ["Processor", `${machine.cpu?.model ?? "?"}, ${plural(machine.cpu?.cores ?? 0, "core")}`],
    ["Vector units", (machine.cpu?.features ?? []).join(", ") || "–"],
    [
      "Matrix products",
      `${number(machine.gemm_all_threads?.gflops, 3)} GFLOP/s, best ${number(machine.gemm_all_threads?.best_gflops, 3)}`,
    ],
    ["Memory", `${number(machine.bandwidth_gigabytes_per_second, 3)} GB/s`],
    ["BLAS", machine.blas ? `${machine.blas.name} ${machine.blas.version}, ${machine.blas.kernel} kernel` : "–"],
    [
      "Versions",
      Object.entries(machine.versions ?? {})
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
  ];
  return [
    element(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
    ),
    (machine.warnings ?? []).map((text) => warning(text)),
  ];
}

function machineCard(context) {
  const body = element("div", {});
  const notices = new Notices();
  const button = element("button", { type: "button" }, "Measure this machine");
  const show = (machine) => body.replaceChildren(...machineFacts(machine).flat());
  try {
    const kept = sessionStorage.getItem(MACHINE_KEY);
    if (kept) show(JSON.parse(kept));
    else body.append(hint("Measures matrix products, memory and the libraries for some seconds (tenfold doctor)."));
  } catch {
    body.append(hint("Measures matrix products, memory and the libraries for some seconds."));
  }
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Measuring…";
    notices.clear();
    try {
      const machine = await api.post("/api/tenfold/doctor", { seconds: 1 }, { signal: context.signal });
      show(machine);
      sessionStorage.setItem(MACHINE_KEY, JSON.stringify(machine));
    } catch (error) {
      if (error.status === 404) body.replaceChildren(hint("This build of the program cannot measure: that needs LibTorch."));
      else if (!context.signal.aborted) notices.error(error);
    }
    button.disabled = false;
    button.textContent = "Measure again";
  });
  const uptime = element("p", { class: "hint" });
  api
    .get("/api/server", { signal: context.signal })
    .then((server) => {
      uptime.textContent = `The server has been up for ${duration(server.seconds)} with ${plural(server.workers, "worker")}.`;
    })
    .catch(() => {});
  return card("This machine", body, notices.node, element("div", { class: "row" }, button), uptime);
}

async function computeCard(context) {
  const [{ systems, license }, runs] = await Promise.all([
    api.post("/api/trends/export", {}, { signal: context.signal }),
    listRuns({ signal: context.signal }),
  ]);
  const chart = await createChart({
    label: "Training compute of milestone systems over time",
    name: "compute",
    size: "tall",
    signal: context.signal,
    downloads: false,
  });
  const stars = starsOf(runs);
  const series = [
    {
      id: "systems",
      name: "Milestone systems",
      kind: "points",
      color: "--c1",
      x: systems.map((each) => decimalYear(each.date)),
      y: systems.map((each) => each.training_flop),
      labels: systems.map((each) => each.name),
      notes: systems.map((each) => each.organization),
    },
  ];
  if (stars) series.push(stars);
  const draw = (from) =>
    chart.update({
      x: { title: "publication date", year: true, min: from },
      y: { title: "training compute [FLOP]", log: true },
      series,
    });
  const recent = checkbox("only since 2010", { onchange: () => draw(recent.input.checked ? 2010 : undefined) });
  draw();
  return card(
    "Compute of 70 years",
    recent.row,
    chart.node,
    hint(
      stars ? `${plural(stars.x.length, "run")} of this machine as stars. ` : "A training run of yours appears here as a star. ",
      license,
      ". ",
      element("a", { href: "#/trends" }, "Fit a trend"),
      ".",
    ),
  );
}

export default {
  title: "Tenfold",
  async mount(context) {
    const { root } = context;
    root.append(
      element(
        "p",
        { class: "lead" },
        "Ten machine-learning systems of early 2022 that do more with less compute. Everything here runs on this machine; no request leaves it.",
      ),
    );
    const places = ["systems", "jobs", "compute"].map(() => element("div"));
    const fill = async (place, work) => {
      try {
        place.replaceChildren(await work());
      } catch (error) {
        if (!context.signal.aborted) place.replaceChildren(errorBox(error));
      }
    };
    root.append(places[0], element("div", { class: "pair" }, jobsCard(context), machineCard(context)), places[2]);
    const load = () =>
      Promise.all([
        fill(places[0], async () => card("Systems", await systemTiles(context.signal))),
        fill(places[2], () => computeCard(context)),
      ]);
    context.onReconnect(load);
    await load();
  },
};
