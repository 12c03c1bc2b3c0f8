// SPDX-License-Identifier: Apache-2.0
// Compute trends: the fit and its interval, recomputed by the server while the reader moves the sliders; the three eras; when
// a level is crossed; how large a run is; tables of the reader.
import { api, latest, systems } from "../lib/api.js";
import { createChart } from "../lib/chart.js";
import { announce, card, checkbox, choice, download, element, labelled, selectOf, slider } from "../lib/dom.js";
import { decimalYear, interval, number, plural, yearMonth } from "../lib/format.js";
import { SchemaForm } from "../lib/form.js";
import { hint, Notices, warning } from "../lib/notice.js";
import { listRuns, starsOf } from "../lib/runs.js";
import { simpleTable } from "../lib/table.js";
import { estimateCard } from "./trends/estimate.js";
import { chartSpec } from "./trends/picture.js";
import { sourceFields } from "./trends/source.js";
import { thresholdCard } from "./trends/threshold.js";

const BAND_POINTS = 60;
const ERA_NAMES = [
  ["before", "before the border"],
  ["regular", "deep learning, regular scale"],
  ["large", "large scale"],
  ["early", "deep learning, before large scale"],
  ["late_regular", "regular, without low outliers"],
  ["without_low", "since the border, without low outliers"],
  ["all", "since the border, all"],
];
const QUICK = [
  ["All years", null, null],
  ["Before 2010", null, 2010],
  ["Since 2010", 2010, null],
  ["2010 to 2015", 2010, 2015.5],
  ["Since 2015", 2015.5, null],
];

const parseYear = (text) => decimalYear(text.trim());

const credit = ({ table }) => (table.license ? `${table.license}.` : "");

class TrendsPage {
  constructor(context, schemas) {
    this.context = context;
    this.schemas = schemas;
    this.mode = context.query.get("mode") === "eras" ? "eras" : "trend";
    this.table = {}; // fields that name the table whose rows are shown
    this.rows = [];
    this.domains = new Set((context.query.get("domain") ?? "").split("|").filter(Boolean));
    this.stars = null;
    this.estimate = null;
    this.forecast = null;
    this.fit = null;
    this.eras = null;
    this.notices = new Notices();
    this.tableNotices = new Notices();
  }

  // ---- what is asked of the server -----------------------------------------------------------------------------------------

  filters() {
    const [from, until] = [this.from.get(), this.until.get()];
    const values = { ...this.table };
    if (from > Number(this.from.range.min)) values.from = this.from.text();
    if (until < Number(this.until.range.max)) values.until = this.until.text();
    if (this.domains.size > 0) values.domain = [...this.domains];
    return values;
  }

  fitRequest() {
    return {
      ...this.options.values(),
      ...this.filters(),
      outliers: this.outliers.value,
      outlier_sd: this.outlierSd.get(),
      band: BAND_POINTS,
    };
  }

  // The eras have borders of their own, so the period is left out.
  erasRequest() {
    const { from, until, ...rest } = this.filters();
    return { ...rest, border: this.border.get(), large_start: this.largeStart.get(), z: this.z.get(), window: this.window.get() };
  }

  // The line that is read forward: of the period, or of all systems since deep learning began.
  forecastFilters() {
    const { from = "", until, ...rest } = this.filters();
    return this.mode === "eras" ? { ...rest, from: yearMonth(this.border.get()) } : { ...rest, from, until };
  }

  // The last year of the table and eight more.
  forecastYears() {
    const last = Math.max(...this.rows.map((row) => row.year), 2000);
    return Array.from({ length: 9 }, (_, i) => (i === 0 ? Number(last.toFixed(3)) : Math.floor(last) + i));
  }

  // ---- controls ------------------------------------------------------------------------------------------------------------

  buildControls() {
    this.source = sourceFields({ signal: this.context.signal, changed: () => this.loadTable() });
    this.domainBox = element("fieldset", {}, element("legend", {}, "Domain"));
    const years = { min: 1950, max: 2023, step: 0.5, print: yearMonth, parse: parseYear };
    this.from = slider("First date", { ...years, value: 1950, onchange: () => this.changed() });
    this.until = slider("Up to, without it", { ...years, value: 2023, onchange: () => this.changed() });
    this.outliers = selectOf(
      [
        ["none", "keep all"],
        ["low", "drop far below the line"],
        ["both", "drop far off the line"],
      ],
      { value: this.context.query.get("outliers") ?? "none", onchange: () => this.changed() },
    );
    this.outlierSd = slider("How far off is an outlier [sd]", {
      min: 0.5,
      max: 5,
      step: 0.1,
      value: 2,
      print: (value) => String(Number(value.toFixed(2))),
      onchange: () => this.changed(),
    });
    this.options = new SchemaForm(this.schemas.fit, {
      leaveOut: ["csv", "columns", "skip_bad", "from", "until", "to", "domain", "outliers", "outlier_sd", "band", "file"],
      more: "Method, interval, frontier",
    });
    this.options.node.addEventListener("input", () => this.changed());
    this.options.node.addEventListener("change", () => this.changed());
    const quick = element(
      "div",
      { class: "row" },
      QUICK.map(([text, from, until]) =>
        element(
          "button",
          {
            type: "button",
            class: "quiet",
            onclick: () => {
              this.from.set(from ?? Number(this.from.range.min));
              this.until.set(until ?? Number(this.until.range.max));
              this.changed();
            },
          },
          text,
        ),
      ),
    );
    this.trendControls = element(
      "div",
      { class: "narrow" },
      quick,
      this.from.row,
      this.until.row,
      labelled("Outliers", this.outliers),
      this.outlierSd.row,
      this.options.node,
    );
    this.buildEraControls();
    const mode = choice(
      "What is fitted",
      [
        ["trend", "One trend"],
        ["eras", "Three eras"],
      ],
      this.mode,
      (value) => {
        this.mode = value;
        this.changed();
      },
    );
    return card(
      "Fit",
      element("div", { class: "row" }, mode.row),
      this.trendControls,
      this.eraControls,
      this.domainBox,
      this.tableNotices.node,
      this.source.node,
    );
  }

  buildEraControls() {
    const onchange = () => this.changed();
    const years = { step: 1 / 12, print: yearMonth, parse: parseYear, onchange };
    const plain = (value) => String(Number(value.toFixed(2)));
    this.border = slider("Deep learning begins", { ...years, min: 1995, max: 2018, value: 2010 });
    this.largeStart = slider("Large scale begins", { ...years, min: 2010, max: 2022, value: 2015.66 });
    this.z = slider("Large scale: z-score above", { min: -1, max: 3, step: 0.02, value: 0.76, print: plain, onchange });
    this.window = slider("Window of the z-score [years]", { min: 0.25, max: 5, step: 0.05, value: 1, print: plain, onchange });
    this.eraControls = element("div", {}, this.border.row, this.largeStart.row, this.z.row, this.window.row);
  }

  fillDomains() {
    const counts = new Map();
    for (const row of this.rows) counts.set(row.domain || "(none)", (counts.get(row.domain || "(none)") ?? 0) + 1);
    const names = [...counts].sort((a, b) => b[1] - a[1]);
    for (const name of this.domains) if (!counts.has(name)) this.domains.delete(name);
    this.domainBox.replaceChildren(
      element("legend", {}, "Domain"),
      element("p", { class: "help" }, "None ticked: all."),
      element(
        "div",
        { class: "chips" },
        names.slice(0, 30).map(([name, count]) => {
          const box = checkbox(`${name} (${count})`, {
            checked: this.domains.has(name),
            onchange: () => {
              if (box.input.checked) this.domains.add(name);
              else this.domains.delete(name);
              this.changed();
            },
          });
          return box.row;
        }),
      ),
    );
  }

  // Keeps the chosen dates where the new table reaches.
  fillYears() {
    const years = this.rows.map((row) => decimalYear(row.date)).filter(Number.isFinite);
    if (years.length === 0) return;
    const [low, high] = [Math.floor(Math.min(...years)), Math.floor(Math.max(...years)) + 1];
    const all = [this.from.get() <= Number(this.from.range.min), this.until.get() >= Number(this.until.range.max)];
    for (const each of [this.from, this.until]) Object.assign(each.range, { min: low, max: high });
    if (all[0] || this.from.get() < low || this.from.get() >= high) this.from.set(low);
    if (all[1] || this.until.get() > high || this.until.get() <= low) this.until.set(high);
  }

  // ---- results -------------------------------------------------------------------------------------------------------------

  buildResults() {
    this.figures = element("dl", { class: "figures" });
    this.period = hint();
    this.leftOut = element("div", {});
    this.starsBox = checkbox("runs of this machine", { checked: true, onchange: () => this.draw() });
    this.zoomBox = checkbox("zoom to the period", { checked: true, onchange: () => this.draw() });
    this.leftOutBox = checkbox("systems that are left out", { checked: true, onchange: () => this.draw() });
    const buttons = [
      ["Download SVG", () => this.downloadSvg()],
      [
        "Download CSV",
        async () =>
          download("systems.csv", await api.blob("/api/trends/export?file=systems.csv", this.exportRequest()), "text/csv"),
      ],
      [
        "Download JSON",
        () => download("fit.json", JSON.stringify(this.mode === "eras" ? this.eras : this.fit, null, 2), "application/json"),
      ],
    ].map(([text, save]) => element("button", { type: "button", class: "quiet", onclick: () => this.save(save) }, text));
    this.chart.actions.prepend(...buttons);
    this.resultCard = card(
      "Result",
      this.notices.node,
      this.figures,
      this.period,
      element("div", { class: "chips" }, this.zoomBox.row, this.leftOutBox.row, this.starsBox.row),
      this.chart.node,
      this.leftOut,
    );
    return this.resultCard;
  }

  periodText() {
    const { from, until } = this.filters();
    if (!from && !until) return "All dates";
    return [from && `From ${from}`, until && `${from ? "until" : "Until"} ${until}`].filter(Boolean).join(" ");
  }

  exportRequest() {
    const { from, until, ...rest } = this.filters();
    return this.mode === "eras" ? rest : { from, until, ...rest };
  }

  async save(task) {
    try {
      await task();
    } catch (error) {
      if (!this.context.signal.aborted) this.notices.error(error);
    }
  }

  async downloadSvg() {
    const picture =
      this.mode === "eras"
        ? await api.blob("/api/trends/plot?file=compute-trends.svg", this.erasRequest())
        : await api.blob("/api/trends/fit?file=trend.svg", { ...this.fitRequest(), file: "trend.svg" });
    download(this.mode === "eras" ? "compute-trends.svg" : "trend.svg", picture, "image/svg+xml");
  }

  showFit(fit) {
    this.fit = fit;
    const doubling = fit.doubling_months === null ? "no doubling" : `${number(fit.doubling_months, 3)} months`;
    const figures = [
      ["Doubling time", doubling, interval(fit.doubling_months_ci), "main"],
      ["Growth a year", `×${number(fit.growth_per_year, 3)}`],
      ["Slope [orders of magnitude a year]", number(fit.slope_oom_per_year, 3), interval(fit.slope_oom_per_year_ci)],
      ["R²", fit.r2 === null ? "–" : number(fit.r2, 3)],
      ["Systems", String(fit.n)],
    ];
    this.figures.replaceChildren(
      ...figures.map(([name, value, range, kind]) =>
        element(
          "div",
          { class: kind ?? null },
          element("dt", {}, name),
          element("dd", {}, value, range && range !== "–" ? element("span", { class: "range" }, ` ${range}`) : null),
        ),
      ),
    );
    const { confidence, interval: kind, resamples, kind: drawn } = fit.bootstrap;
    this.period.textContent = `${this.periodText()}, ${Math.round(100 * confidence)} % ${kind === "bca" ? "BCa " : ""}bootstrap interval of ${resamples} resamples (${drawn}). ${credit(fit)}`;
    announce(`Doubling time ${doubling}, ${plural(fit.n, "system")}`);
    const rows = [...fit.excluded, ...fit.table.skipped].map((row) => [row.name, row.line, row.reason]);
    this.leftOut.replaceChildren(
      ...fit.table.warnings.map((text) => warning(text)),
      rows.length === 0
        ? ""
        : element(
            "details",
            {},
            element("summary", {}, `${plural(rows.length, "system")} left out`),
            simpleTable(["System", "Line", "Why"], rows, { caption: "Systems left out" }),
          ),
    );
  }

  showEras(eras) {
    this.eras = eras;
    const present = ERA_NAMES.filter(([key]) => eras.eras[key]?.doubling_months !== undefined).map(([key, name]) => [
      name,
      eras.eras[key],
    ]);
    this.figures.replaceChildren(
      simpleTable(
        ["Era", "Systems", "Doubling [months]", "Interval", "Growth a year", "R²"],
        present.map(([name, era]) => [
          name,
          era.n,
          number(era.doubling_months, 3),
          interval(era.doubling_months_ci),
          `×${number(era.growth_per_year, 3)}`,
          number(era.r2, 2),
        ]),
        { caption: "Eras", numeric: [1, 2, 3, 4, 5] },
      ),
    );
    this.period.textContent = `${plural(eras.large_scale.length, "large-scale system")}, ${plural(eras.low_outliers.length, "low outlier")}. 95 % bootstrap intervals. ${credit(eras)}`;
    announce(`${plural(eras.large_scale.length, "large-scale system")}`);
    const paper = eras.paper.map((row) => [
      row.era,
      row.period,
      number(row.paper_months, 3),
      interval(row.paper_ci),
      number(row.ours_months, 3),
      row.inside ? "yes" : "no",
    ]);
    this.leftOut.replaceChildren(
      ...(eras.null_study ? [warning(eras.null_study)] : []),
      element(
        "details",
        {},
        element("summary", {}, "The paper's figures beside these"),
        simpleTable(["Era", "Period", "Paper [months]", "Its interval", "Here", "Inside"], paper, {
          caption: "The paper's figures",
          numeric: [2, 3, 4],
        }),
      ),
    );
  }

  draw() {
    this.chart.update(chartSpec(this));
  }

  changed() {
    this.trendControls.hidden = this.mode !== "trend";
    this.eraControls.hidden = this.mode !== "eras";
    this.zoomBox.row.hidden = this.leftOutBox.row.hidden = this.mode === "eras";
    const { from, until } = this.filters();
    this.context.setQuery({
      mode: this.mode === "eras" ? "eras" : "",
      from: from ?? "all",
      until,
      domain: [...this.domains].join("|"),
      outliers: this.outliers.value === "none" ? "" : this.outliers.value,
    });
    this.request();
    this.threshold.changed();
  }

  async loadTable() {
    this.tableNotices.clear();
    const fields = this.source.values();
    try {
      const table = await api.post("/api/trends/export", fields, { signal: this.context.signal });
      this.rows = table.systems.map((row) => ({ ...row, year: decimalYear(row.date) }));
      this.fillYears();
      this.fillDomains();
    } catch (error) {
      if (this.context.signal.aborted) return;
      this.rows = [];
      this.tableNotices.error(error);
    }
    this.table = fields;
    this.changed();
  }

  startFromAddress() {
    const { query } = this.context;
    const deepLearning = ["from", "until", "mode"].some((name) => query.has(name)) ? "" : "2010";
    for (const [name, control] of [
      ["from", this.from],
      ["until", this.until],
    ]) {
      const year = parseYear(query.get(name) ?? (name === "from" ? deepLearning : ""));
      if (Number.isFinite(year)) control.set(year);
    }
  }

  async mount() {
    const { root, signal } = this.context;
    root.append(
      element(
        "p",
        { class: "lead" },
        "How fast does the compute of machine-learning systems grow? Move a slider and the server fits again, with an interval by bootstrap.",
      ),
    );
    this.chart = await createChart({
      label: "Training compute over time with the fitted line",
      name: "compute-trend",
      size: "tall",
      signal,
    });
    this.request = latest(
      (abort) =>
        this.mode === "eras"
          ? api.post("/api/trends/eras", this.erasRequest(), { signal: abort })
          : api.post("/api/trends/fit", this.fitRequest(), { signal: abort }),
      {
        started: () => this.resultCard.classList.add("busy"),
        done: (answer) => {
          this.resultCard.classList.remove("busy");
          this.notices.clear();
          if (answer.eras) this.showEras(answer);
          else this.showFit(answer);
          this.draw();
        },
        failed: (error) => {
          this.resultCard.classList.remove("busy");
          this.notices.error(error);
        },
      },
    );
    this.context.onLeave(() => this.request.stop());
    this.threshold = thresholdCard(this);
    const controls = element("div", { class: "controls" }, this.buildControls());
    root.append(
      element(
        "div",
        { class: "split" },
        element("div", { class: "first" }, this.buildResults()),
        controls,
        element("div", { class: "rest" }, this.threshold.node, estimateCard(this)),
      ),
    );
    this.startFromAddress();
    this.context.onReconnect(() => this.loadTable());
    listRuns({ signal })
      .then((runs) => {
        this.stars = starsOf(runs);
        if (this.stars && this.fit) this.draw();
      })
      .catch(() => {});
    await this.loadTable();
  }
}

export default {
  title: "Compute trends",
  async mount(context) {
    const trends = (await systems()).find((each) => each.name === "trends");
    const schemas = Object.fromEntries(trends.verbs.map((verb) => [verb.name, verb.schema]));
    await new TrendsPage(context, schemas).mount();
  },
};
