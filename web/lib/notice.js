// SPDX-License-Identifier: Apache-2.0
// Messages: errors as the server words them, empty states, warnings.
import { element } from "./dom.js";

const LINES = [
  ["seen", "Seen"],
  ["wanted", "Wanted"],
  ["remedy", "What to do"],
];

// What failed, what was seen, what was wanted, what to do.
export function errorBox(error) {
  const fields = error?.fields ?? {
    what: `the page failed: ${error?.message ?? error}`,
    remedy: "load it again; this is a bug of tenfold",
  };
  if (!error?.fields) console.error(error);
  const lines = LINES.filter(([key]) => fields[key]).map(([key, title]) => [
    element("dt", {}, title),
    element("dd", {}, fields[key]),
  ]);
  return element(
    "div",
    { class: "error", role: "alert" },
    element("p", { class: "error-what" }, sentence(fields.what ?? "something failed")),
    lines.length > 0 ? element("dl", {}, lines) : null,
    fields.code ? element("p", { class: "error-code" }, fields.code) : null,
  );
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

export const hint = (...children) => element("p", { class: "hint" }, ...children);
export const warning = (...children) => element("p", { class: "warning", role: "note" }, ...children);

// A place for messages that come and go.
export class Notices {
  constructor() {
    this.node = element("div", { class: "notices" });
  }
  clear() {
    this.node.replaceChildren();
  }
  error(error) {
    this.node.replaceChildren(errorBox(error));
  }
  show(...children) {
    this.node.replaceChildren(...children);
  }
}
