// SPDX-License-Identifier: Apache-2.0
// Builds elements. Text only ever becomes a text node: whatever a file, a run or a model says cannot turn into markup.

const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate", "files"]);

// element("button", {type: "button", class: "main", onclick: go}, "Go"). Attributes that are false or null are left out.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(node, attributes);
  node.append(...children);
  return node;
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

let lastId = 0;
export const freshId = (stem) => `${stem}-${++lastId}`;

// Read out by screen readers, not shown.
export function announce(text) {
  document.querySelector("#spoken").textContent = text;
}

export function card(title, ...children) {
  const id = freshId("card");
  return element("section", { class: "card", "aria-labelledby": id }, element("h2", { id }, title), ...children);
}

// A label above its control, with a line of help below.
export function labelled(text, control, help = "") {
  control.id ||= freshId("field");
  const note = help ? element("p", { class: "help", id: freshId("help") }, help) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return element("div", { class: "field" }, element("label", { for: control.id }, text), control, note);
}

export function checkbox(text, attributes = {}) {
  const input = element("input", { type: "checkbox", id: freshId("check"), ...attributes });
  return { input, row: element("div", { class: "check" }, input, element("label", { for: input.id }, text)) };
}

export function selectOf(options, attributes = {}) {
  const { value, ...rest } = attributes;
  const select = element("select", rest);
  setOptions(select, options, value);
  return select;
}

// Options are texts or [value, text]; a choice that is still there is kept.
export function setOptions(select, options, value = select.value) {
  select.replaceChildren(
    ...options.map((option) => {
      const [id, text] = Array.isArray(option) ? option : [option, option];
      return element("option", { value: id }, text);
    }),
  );
  if (value !== undefined && Array.from(select.options).some((option) => option.value === String(value))) select.value = value;
}

// A slider with its value beside it, which can be typed as well. `parse` and `print` translate between both.
export function slider(text, { min, max, step, value, print = String, parse = Number, help = "", onchange }) {
  const range = element("input", { type: "range", min, max, step, value: String(value), id: freshId("slider") });
  const box = element("input", {
    type: "text",
    class: "short",
    value: print(value),
    "aria-label": `${text}, exact`,
    autocomplete: "off",
  });
  let current = value;
  let written = print(value); // what was typed, when it was typed
  const set = (next, from) => {
    current = next;
    written = from === box ? box.value.trim() : print(next);
    if (from !== range) range.value = String(next);
    if (from !== box) box.value = print(next);
    box.removeAttribute("aria-invalid");
    range.setAttribute("aria-valuetext", print(next));
  };
  range.addEventListener("input", () => {
    set(Number(range.value), range);
    onchange?.(current);
  });
  box.addEventListener("change", () => {
    const next = parse(box.value);
    if (!Number.isFinite(next)) return box.setAttribute("aria-invalid", "true");
    set(next, box);
    return onchange?.(current);
  });
  set(value, null);
  const row = element(
    "div",
    { class: "field slider" },
    element("label", { for: range.id }, text),
    element("div", { class: "slider-row" }, range, box),
    help ? element("p", { class: "help" }, help) : null,
  );
  return { row, range, box, get: () => current, text: () => written, set: (next) => set(next, null) };
}

// Several buttons of which one is pressed.
export function choice(text, options, value, onchange) {
  const group = element("div", { class: "choice", role: "group", "aria-label": text });
  const buttons = options.map(([id, label]) =>
    element(
      "button",
      {
        type: "button",
        "aria-pressed": String(id === value),
        onclick: () => pick(id, true),
      },
      label,
    ),
  );
  const pick = (id, told) => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i][0] === id)));
    if (told) onchange(id);
  };
  group.append(...buttons);
  return { row: group, set: (id) => pick(id, false) };
}

export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const csvCell = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]|^ | $/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
export const toCsv = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
