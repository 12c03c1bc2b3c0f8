// SPDX-License-Identifier: Apache-2.0
// When was or will a level be crossed: by the first system of the table, by the typical one, by the frontier.
import { api, latest } from "../../lib/api.js";
import { card, checkbox, element, labelled, slider } from "../../lib/dom.js";
import { number, yearMonth } from "../../lib/format.js";
import { hint, Notices } from "../../lib/notice.js";
import { simpleTable } from "../../lib/table.js";

const month = (year) => (year === null ? ">" : yearMonth(year));

function crossing(each) {
  if (each.year === null) return "never";
  return element(
    "span",
    { class: "keep" },
    each.date,
    element("br"),
    element("span", { class: "range" }, `[${month(each.ci[0])}; ${month(each.ci[1])}]`),
  );
}

function levelTable(answer) {
  return simpleTable(
    ["Level [FLOP]", "First system above it", "Systems above", "Typical system", "Frontier"],
    answer.levels.map((level) => [
      number(level.level, 2),
      level.first_system ? `${level.first_system.name}, ${level.first_system.date}` : "none in this table",
      level.systems_above,
      crossing(level.trend),
      crossing(level.frontier),
    ]),
    { caption: "Levels", numeric: [0, 2] },
  );
}

function forecastTable(answer) {
  return simpleTable(
    ["Year", "Typical system", "One system, range", "Frontier"],
    answer.forecast.map((point) => [
      point.year.toFixed(0),
      number(point.typical, 2),
      `${number(point.one_system[0], 2)} to ${number(point.one_system[1], 2)}`,
      number(point.frontier, 2),
    ]),
    { caption: "Forecast", numeric: [1, 2, 3], keep: [2] },
  );
}

// page: forecastFilters(), forecastYears(), context, draw(); `page.forecast` receives the answer.
export function thresholdCard(page) {
  const notices = new Notices();
  const result = element("div", {});
  const level = element("input", {
    type: "text",
    value: "1e23, 1e24, 1e25, 1e26",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => changed(),
  });
  const tau = slider("Share of systems below the frontier", {
    min: 0.5,
    max: 0.99,
    step: 0.01,
    value: 0.9,
    print: (value) => String(Number(value.toFixed(2))),
    onchange: () => changed(),
  });
  const confidence = slider("Confidence of the intervals", {
    min: 0.5,
    max: 0.99,
    step: 0.01,
    value: 0.9,
    print: (value) => String(Number(value.toFixed(2))),
    onchange: () => changed(),
  });
  const shown = checkbox("levels and forecast in the chart above", { onchange: () => page.draw() });

  const levels = () =>
    level.value
      .split(",")
      .map((text) => text.trim())
      .filter(Boolean)
      .map(Number);

  const request = latest(
    (signal) => {
      const values = levels();
      const good = values.length > 0 && values.every((value) => value > 0 && Number.isFinite(value));
      level.setAttribute("aria-invalid", String(!good));
      if (!good)
        throw Object.assign(new Error("levels"), {
          fields: {
            what: "the levels cannot be read",
            seen: level.value,
            wanted: "numbers above 0 with commas between them",
            remedy: "for example 1e25, 1e26",
          },
        });
      return api.post(
        "/api/trends/threshold",
        { ...page.forecastFilters(), level: values, fan: page.forecastYears(), tau: tau.get(), confidence: confidence.get() },
        { signal },
      );
    },
    {
      delay: 200,
      done: (answer) => {
        notices.clear();
        page.forecast = answer;
        result.replaceChildren(
          levelTable(answer),
          hint("Intervals hold sampling error only and assume that the trend goes on unchanged."),
          element("details", {}, element("summary", {}, "Forecast by year"), forecastTable(answer)),
        );
        if (shown.input.checked) page.draw();
      },
      failed: (error) => {
        page.forecast = null;
        result.replaceChildren();
        notices.error(error);
      },
    },
  );
  const changed = () => request();
  page.context.onLeave(() => request.stop());

  return {
    node: card(
      "When is a level crossed?",
      element(
        "div",
        { class: "pair" },
        labelled("Levels [FLOP]", level, "with commas between them"),
        element("div", {}, tau.row, confidence.row),
      ),
      shown.row,
      notices.node,
      result,
    ),
    changed,
    shown: () => shown.input.checked,
  };
}
