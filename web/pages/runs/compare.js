// SPDX-License-Identifier: Apache-2.0
// What the configurations and the facts of two runs differ in.
import { api } from "../../lib/api.js";
import { card, checkbox, element, labelled, selectOf, setOptions } from "../../lib/dom.js";
import { number, plural } from "../../lib/format.js";
import { hint, Notices } from "../../lib/notice.js";
import { Table } from "../../lib/table.js";

// The keys and values of a configuration as a run folder holds it: tables, dotted keys, one value a line.
export function parseConfig(text) {
  const values = new Map();
  let table = "";
  for (const line of text.split("\n")) {
    const heading = /^\[([^\]]+)\]\s*$/.exec(line);
    const pair = /^([A-Za-z0-9_."-]+)\s*=\s*(.*)$/.exec(line);
    if (heading) table = `${heading[1]}.`;
    else if (pair) values.set(`${table}${pair[1]}`, pair[2]);
  }
  return values;
}

function factsOf(answer) {
  const run = answer.run ?? {};
  const facts = [
    ["run: seed", run.seed],
    ["run: steps", run.steps],
    ["run: parameters", run.parameters],
    ["run: FLOP", run.flop?.total],
    ["run: wall hours", run.wall_hours],
    ["run: threads", run.threads],
    ["run: revision", run.revision],
    ["run: processor", run.cpu?.model],
  ];
  return facts
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => [key, typeof value === "number" ? number(value, 6) : String(value)]);
}

async function read(name, signal) {
  const answer = await api.get(`/api/runs/${encodeURIComponent(name)}`, { signal });
  return new Map([...parseConfig(answer.config ?? ""), ...factsOf(answer)]);
}

export function compareCard({ signal }) {
  const notices = new Notices();
  const [left, right] = [selectOf([], { onchange: () => load() }), selectOf([], { onchange: () => load() })];
  const all = checkbox("equal ones too", { onchange: () => fill() });
  const count = hint();
  let rows = [];
  const table = new Table(
    [
      { title: "Option", value: (row) => row.key, cell: (row) => element("span", { class: "mono" }, row.key) },
      { title: "First", value: (row) => row.left, cell: (row) => element("span", { class: "mono" }, row.left ?? "–") },
      { title: "Second", value: (row) => row.right, cell: (row) => element("span", { class: "mono" }, row.right ?? "–") },
    ],
    {
      caption: "Differences of two runs",
      empty: "No difference.",
      rowClass: (row) => (row.left !== row.right ? "different" : null),
    },
  );
  table.node.classList.add("high");

  function fill() {
    const different = rows.filter((row) => row.left !== row.right);
    count.textContent =
      rows.length === 0 ? "Choose two runs." : `${plural(different.length, "difference")} in ${plural(rows.length, "value")}.`;
    table.set(all.input.checked ? rows : different);
  }

  async function load() {
    notices.clear();
    rows = [];
    if (left.value && right.value) {
      try {
        const [a, b] = await Promise.all([read(left.value, signal), read(right.value, signal)]);
        rows = [...new Set([...a.keys(), ...b.keys()])].map((key) => ({ key, left: a.get(key), right: b.get(key) }));
      } catch (error) {
        if (signal.aborted) return;
        notices.error(error);
      }
    }
    fill();
  }

  return {
    node: card(
      "What do two runs differ in?",
      element("div", { class: "pair" }, labelled("First run", left), labelled("Second run", right)),
      all.row,
      notices.node,
      count,
      table.node,
    ),
    setRuns(names) {
      const before = [left.value, right.value];
      setOptions(left, names, before[0] || names[0]);
      setOptions(right, names, before[1] || names[1] || names[0]);
      if (left.value !== before[0] || right.value !== before[1]) load();
      else fill();
    },
  };
}
