// SPDX-License-Identifier: Apache-2.0
// How large is a run: an estimate with its interval and the input that dominates it, and its place in the chart.
import { api } from "../../lib/api.js";
import { announce, card, checkbox, element } from "../../lib/dom.js";
import { decimalNow, interval, number } from "../../lib/format.js";
import { SchemaForm } from "../../lib/form.js";
import { hint, Notices, warning } from "../../lib/notice.js";

const FIRST = ["parameters", "tokens", "epochs", "chip", "chips", "hours", "utilisation"];
const EXAMPLES = [
  ["Language model", { parameters: "1.5B", tokens: "100B..300B", epochs: "1" }],
  ["512 chips for two weeks", { chip: "A100", chips: "512", hours: "300..400", utilisation: "0.3..0.5" }],
  [
    "Both, compared",
    { parameters: "175B", tokens: "300B", chip: "V100", chips: "10000", hours: "300..400", utilisation: "0.2..0.4" },
  ],
];

function shares(list) {
  return element(
    "dl",
    { class: "facts" },
    list.map(({ input, share }) => {
      const bar = element("span", { class: "bar" });
      bar.style.width = `${100 * share}%`;
      return [
        element("dt", {}, input),
        element(
          "dd",
          {},
          element(
            "span",
            { class: "inline" },
            element("span", { class: "bar-track", "aria-hidden": "true" }, bar),
            `${Math.round(100 * share)} %`,
          ),
        ),
      ];
    }),
  );
}

function part(title, estimate) {
  if (!estimate) return null;
  return element(
    "div",
    {},
    element("h3", {}, title),
    element("p", {}, `${number(estimate.median, 3)} FLOP ${interval(estimate.interval_90, 3)}`),
    estimate.formula ? hint(estimate.formula) : null,
    (estimate.assumptions ?? []).map((text) => hint(text)),
  );
}

function stage(each) {
  const { flop } = each;
  return element(
    "div",
    {},
    element(
      "dl",
      { class: "figures" },
      element(
        "div",
        { class: "main" },
        element("dt", {}, `${each.name}, median`),
        element("dd", {}, `${number(flop.median, 3)} FLOP`),
      ),
      element("div", {}, element("dt", {}, "90 % interval"), element("dd", {}, interval(flop.interval_90, 3))),
      element(
        "div",
        {},
        element("dt", {}, "Dominant input"),
        element("dd", {}, flop.dominant_input || "none: all inputs are exact"),
      ),
      each.ratio === null
        ? null
        : element("div", {}, element("dt", {}, "Counting : chip-time"), element("dd", {}, number(each.ratio, 3))),
    ),
    flop.variance_shares?.length > 0
      ? [element("h3", {}, "Where the uncertainty comes from"), shares(flop.variance_shares)]
      : null,
    each.operations && each.chip_time
      ? element("div", { class: "pair" }, part("By counting operations", each.operations), part("By chip-time", each.chip_time))
      : part("How", each.operations ?? each.chip_time),
  );
}

export function estimateCard(page) {
  const notices = new Notices();
  const result = element("div", { "aria-live": "polite" });
  const form = new SchemaForm(page.schemas.estimate, {
    first: FIRST,
    leaveOut: ["list_chips", "worked"],
    more: "Layers, attention, fine-tuning",
  });
  const inChart = checkbox("in the chart above, as of today", { onchange: () => place() });
  let last = null;

  function place() {
    const median = last?.stages[0]?.flop.median;
    page.estimate =
      inChart.input.checked && median > 0
        ? { id: "estimate", name: "estimate", kind: "stars", color: "--c5", x: [decimalNow()], y: [median], labels: ["estimate"] }
        : null;
    page.draw();
  }

  async function run(event) {
    event?.preventDefault();
    if (!form.check()) return;
    notices.clear();
    try {
      last = await api.post("/api/trends/estimate", form.values(), { signal: page.context.signal });
      result.replaceChildren(...last.stages.map(stage), ...last.warnings.map((text) => warning(text)), inChart.row);
      announce(`Estimate: ${number(last.stages[0]?.flop.median, 3)} FLOP`);
    } catch (error) {
      if (page.context.signal.aborted) return;
      last = null;
      result.replaceChildren();
      notices.error(error);
    }
    place();
  }

  addChips(form, page);
  const examples = element(
    "div",
    { class: "row" },
    element("span", { class: "hint" }, "Try:"),
    EXAMPLES.map(([text, values]) =>
      element(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => {
            form.preset(null);
            for (const [name, value] of Object.entries(values)) form.set(name, value);
            run();
          },
        },
        text,
      ),
    ),
  );
  return card(
    "How large is a run?",
    hint(
      "A quantity is exact (3e11, 1.5B), 90 % between two ends (100B..300B), within a factor (0.3~2x) or within a share (58~10%).",
    ),
    examples,
    element(
      "form",
      { novalidate: true, onsubmit: run },
      form.node,
      element("div", { class: "row" }, element("button", { type: "submit", class: "main" }, "Estimate")),
    ),
    notices.node,
    result,
  );
}

// The known processors as suggestions.
async function addChips(form, page) {
  try {
    const { chips } = await api.post("/api/trends/estimate", { list_chips: true }, { signal: page.context.signal });
    const field = form.fields.find((each) => each.path[0] === "chip");
    field.node.append(
      element(
        "datalist",
        { id: "known-chips" },
        [...new Set(chips.map((chip) => chip.name))].map((name) => element("option", { value: name })),
      ),
    );
    field.input.setAttribute("list", "known-chips");
  } catch {
    // Without suggestions the field is still a field.
  }
}
