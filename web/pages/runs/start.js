// SPDX-License-Identifier: Apache-2.0
// Starts a verb as a job: a form from its schema, with the presets of its system.
import { api, systems } from "../../lib/api.js";
import { card, checkbox, element, labelled, selectOf, setOptions } from "../../lib/dom.js";
import { SchemaForm } from "../../lib/form.js";
import { hint, Notices } from "../../lib/notice.js";

const FIRST = [
  "path",
  "model",
  "width",
  "depth",
  "epochs",
  "steps",
  "batch_size",
  "optimizer.name",
  "optimizer.learning_rate",
  "schedule.name",
  "gradient",
  "gradient_direction",
  "budget",
  "seconds",
];

export async function startCard({ signal, started }, open) {
  const verbs = (await systems()).flatMap((system) =>
    system.verbs.filter((verb) => !verb.call).map((verb) => ({ system, verb, id: `${system.name} ${verb.name}` })),
  );
  if (verbs.length === 0) return { node: card("Start a job", hint("This server has no verb that runs as a job.")), focus() {} };
  const rank = (each) => (each.verb.name === "train" ? 0 : 1);
  verbs.sort((a, b) => rank(a) - rank(b));

  const notices = new Notices();
  const place = element("div", {});
  const what = selectOf(
    verbs.map((each) => [each.id, `${each.system.title}: ${each.verb.name}`]),
    { onchange: () => choose() },
  );
  const preset = selectOf([], { onchange: () => form.preset(presetValues()) });
  const name = element("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}",
    placeholder: "made from the time",
  });
  const seed = element("input", { type: "text", inputmode: "numeric", value: "1", pattern: "[0-9]{1,15}", required: true });
  const resume = checkbox("continue the run of this name", {});
  const summary = hint();
  let form = null;

  const chosen = () => verbs.find((each) => each.id === what.value);
  const presetValues = () => (preset.value ? (chosen().verb.presets?.[preset.value] ?? null) : null);

  function choose() {
    const { system, verb } = chosen();
    summary.textContent = `${verb.summary.charAt(0).toUpperCase()}${verb.summary.slice(1)}.`;
    setOptions(preset, [["", "none: the defaults"], ...system.presets], system.presets.includes("demo") ? "demo" : "");
    form = new SchemaForm(verb.schema, { first: FIRST, leaveOut: ["runs"] });
    form.preset(presetValues());
    place.replaceChildren(form.node);
  }

  async function submit(event) {
    event.preventDefault();
    if (![name, seed].every((input) => input.reportValidity()) || !form.check()) return;
    notices.clear();
    const { system, verb } = chosen();
    const job = { system: system.name, verb: verb.name, config: form.values(), seed: Number(seed.value) };
    if (preset.value) job.preset = preset.value;
    if (name.value.trim()) job.run = name.value.trim();
    if (resume.input.checked) job.resume = true;
    button.disabled = true;
    try {
      await started(await api.post("/api/jobs", job, { signal }));
      name.value = "";
      resume.input.checked = false;
    } catch (error) {
      if (!signal.aborted) notices.error(error);
    }
    button.disabled = false;
  }

  const button = element("button", { type: "submit", class: "main" }, "Start");
  const body = element(
    "form",
    { novalidate: true, onsubmit: submit },
    element(
      "div",
      { class: "schema-form" },
      element(
        "div",
        { class: "fields" },
        labelled("What", what),
        labelled("Preset", preset, "start values of the form below"),
        element("div", {}, labelled("Name of the run", name, "letters, digits, dots and dashes"), resume.row),
        labelled("Seed", seed),
      ),
    ),
    summary,
    place,
    notices.node,
    element("div", { class: "row" }, button),
  );
  const details = element("details", { open }, element("summary", {}, "Train, evaluate or measure something"), body);
  choose();
  return {
    node: card("Start a job", details),
    focus: () => {
      details.scrollIntoView({ block: "start" });
      what.focus();
    },
  };
}
