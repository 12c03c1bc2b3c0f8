// SPDX-License-Identifier: Apache-2.0
// A form from a JSON schema: one control a field, by its type, with range, unit and help. Only what differs from the start
// values is sent.
import { api } from "./api.js";
import { checkbox, element, freshId, labelled, selectOf, setOptions } from "./dom.js";
import { Notices } from "./notice.js";

const words = (name) => {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

function upTo(schema) {
  const { minimum, maximum } = schema;
  if (minimum === undefined && maximum === undefined) return "";
  if (maximum === undefined || maximum >= 1e6) return minimum === undefined ? "" : `at least ${minimum}`;
  return minimum === undefined ? `at most ${maximum}` : `${minimum} to ${maximum}`;
}

function help(schema) {
  const text = plain(schema);
  const range = schema.type === "number" || schema.type === "integer" ? upTo(schema) : "";
  return [text, range].filter(Boolean).join("; ");
}

// Help is written for the command line: "for --parameters" -> "for parameters".
const plain = (schema) => (schema.description ?? "").replace(/--([a-z-]+)/g, (_, name) => name.replaceAll("-", " "));

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function problem(input, text) {
  input.setCustomValidity(text);
}

class Field {
  constructor(path, schema, title) {
    this.path = path;
    this.schema = schema;
    this.title = title;
    this.start = schema.default;
    this.build();
  }
  // The value, or undefined when it is what the server starts from anyway.
  changed() {
    const value = this.get();
    return value === undefined || same(value, this.start) ? undefined : value;
  }
}

class BooleanField extends Field {
  build() {
    const { input, row } = checkbox(this.title);
    this.input = input;
    const note = element("p", { class: "help", id: freshId("help") }, plain(this.schema));
    input.setAttribute("aria-describedby", note.id);
    this.node = element("div", { class: "field" }, row, note);
    this.set(this.start);
  }
  get() {
    return this.input.checked;
  }
  set(value) {
    this.input.checked = Boolean(value);
  }
}

class ChoiceField extends Field {
  build() {
    const options = this.schema.enum.filter((each) => each !== "" || this.start === "");
    this.input = selectOf(options.map((each) => [each, each === "" ? "–" : each]));
    this.node = labelled(this.title, this.input, plain(this.schema));
    this.set(this.start);
  }
  get() {
    return this.input.value;
  }
  set(value) {
    this.input.value = value;
  }
}

class NumberField extends Field {
  build() {
    this.input = element("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
    this.input.addEventListener("input", () => this.get());
    this.node = labelled(this.title, this.input, help(this.schema));
    this.set(this.start);
  }
  get() {
    const text = this.input.value.trim();
    if (text === "") {
      problem(this.input, "");
      return undefined;
    }
    const value = Number(text);
    const { minimum = -Infinity, maximum = Infinity, type } = this.schema;
    const good =
      Number.isFinite(value) && value >= minimum && value <= maximum && (type !== "integer" || Number.isInteger(value));
    problem(
      this.input,
      good ? "" : `${type === "integer" ? "a whole number" : "a number"}${upTo(this.schema) ? `, ${upTo(this.schema)}` : ""}`,
    );
    return good ? value : undefined;
  }
  set(value) {
    this.input.value = value === undefined || value === null ? "" : String(value);
    problem(this.input, "");
  }
}

class TextField extends Field {
  build() {
    this.input = element("input", { type: "text", autocomplete: "off", spellcheck: "false" });
    this.node = labelled(this.title, this.input, plain(this.schema));
    this.set(this.start);
  }
  get() {
    return this.input.value.trim();
  }
  set(value) {
    this.input.value = value ?? "";
  }
}

class ListField extends Field {
  build() {
    this.input = element("input", { type: "text", autocomplete: "off", spellcheck: "false" });
    this.input.addEventListener("input", () => this.get());
    this.node = labelled(this.title, this.input, `${help(this.schema)}; several with commas`);
    this.set(this.start);
  }
  get() {
    const parts = this.input.value
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
    const numbers = this.schema.items?.type === "number" || this.schema.items?.type === "integer";
    if (!numbers) return parts;
    const values = parts.map(Number);
    const good = values.every(Number.isFinite);
    problem(this.input, good ? "" : "numbers with commas between them");
    return good ? values : undefined;
  }
  set(value) {
    this.input.value = (value ?? []).join(", ");
  }
}

// A file of the reader: it is sent at once, the field holds its number on the server.
class UploadField extends Field {
  build() {
    this.value = "";
    this.notices = new Notices();
    this.input = element("input", { type: "file", accept: ".csv,text/csv", onchange: () => this.send() });
    this.node = element("div", { class: "field" }, labelled(this.title, this.input, plain(this.schema)), this.notices.node);
  }
  async send() {
    this.notices.clear();
    this.value = "";
    const file = this.input.files[0];
    if (!file) return;
    try {
      this.value = (await api.upload(file)).value;
    } catch (error) {
      this.notices.error(error);
    }
    this.input.dispatchEvent(new Event("sent", { bubbles: true }));
  }
  get() {
    return this.value === "" ? undefined : this.value;
  }
  set() {}
}

// One of the runs of the server.
class RunField extends Field {
  build() {
    this.notices = new Notices();
    this.input = selectOf([["", "–"]]);
    this.node = element("div", { class: "field" }, labelled(this.title, this.input, plain(this.schema)), this.notices.node);
    api
      .get("/api/runs")
      .then(({ runs }) =>
        setOptions(
          this.input,
          runs.map((run) => [`run:${run.name}`, run.name]),
        ),
      )
      .catch((error) => this.notices.error(error));
  }
  get() {
    return this.input.value || undefined;
  }
  set() {}
}

function fieldClass(schema) {
  if (schema.type === "boolean") return BooleanField;
  if (schema.enum) return ChoiceField;
  if (schema.type === "number" || schema.type === "integer") return NumberField;
  if (schema.type === "array") return schema.items?.pattern?.startsWith("^(upload") ? null : ListField;
  if (schema.pattern?.startsWith("^(upload")) return UploadField;
  if (schema.pattern?.startsWith("^run:")) return RunField;
  return TextField;
}

const at = (object, path) => path.reduce((value, key) => value?.[key], object);

function put(object, path, value) {
  let place = object;
  for (const key of path.slice(0, -1)) place = place[key] ??= {};
  place[path.at(-1)] = value;
}

// schema: of an object. first: dotted paths that are shown at once; the others wait under "All options", with a filter.
// leaveOut: paths that the page sets itself.
export class SchemaForm {
  constructor(schema, { first = [], leaveOut = [], more = "All options" } = {}) {
    this.fields = [];
    this.#collect(schema, [], { leaveOut: new Set(leaveOut), first: new Set(first) });
    const byPath = new Map(this.fields.map((field) => [field.path.join("."), field]));
    const shown = first.map((path) => byPath.get(path)).filter(Boolean);
    const rest = this.fields.filter((field) => !shown.includes(field));
    this.node = element(
      "div",
      { class: "schema-form" },
      element(
        "div",
        { class: "fields" },
        shown.map((field) => field.node),
      ),
      rest.length > 0 ? this.#more(rest, more) : null,
    );
  }

  #collect(schema, path, sets) {
    for (const [name, each] of Object.entries(schema.properties ?? {})) {
      const here = [...path, name];
      const dotted = here.join(".");
      if (sets.leaveOut.has(dotted)) continue;
      if (each.type === "object") {
        this.#collect(each, here, sets);
        continue;
      }
      const Kind = fieldClass(each);
      // Out of its group a field needs the group's name: "Optimizer name".
      if (Kind) this.fields.push(new Kind(here, each, words(sets.first.has(dotted) ? here.join(" ") : name)));
    }
  }

  #more(rest, title) {
    const groups = new Map();
    for (const field of rest) {
      const group = field.path.slice(0, -1).join(" · ");
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(field);
    }
    const sections = Array.from(groups, ([group, fields]) => ({
      fields,
      node: element(
        "fieldset",
        {},
        element("legend", {}, group === "" ? "General" : words(group)),
        element(
          "div",
          { class: "fields" },
          fields.map((field) => field.node),
        ),
      ),
    }));
    const filter = element("input", { type: "search", placeholder: "Filter", "aria-label": `Filter: ${title}` });
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const section of sections) {
        let any = false;
        for (const field of section.fields) {
          const hit = `${field.path.join(" ")} ${field.schema.description ?? ""}`
            .toLowerCase()
            .replaceAll("_", " ")
            .includes(wanted.replaceAll("_", " "));
          field.node.hidden = !hit;
          any ||= hit;
        }
        section.node.hidden = !any;
      }
    });
    return element(
      "details",
      { class: "more" },
      element("summary", {}, `${title} (${rest.length})`),
      rest.length > 8 ? filter : null,
      sections.map((section) => section.node),
    );
  }

  // Start values of a preset; null: the defaults.
  preset(values) {
    for (const field of this.fields) {
      field.start = values === null ? field.schema.default : (at(values, field.path) ?? field.schema.default);
      field.set(field.start);
    }
  }

  set(path, value) {
    this.fields.find((field) => field.path.join(".") === path)?.set(value);
  }

  // Only what differs from the start values.
  values() {
    const object = {};
    for (const field of this.fields) {
      const value = field.changed();
      if (value !== undefined) put(object, field.path, value);
    }
    return object;
  }

  // Shows the first field that cannot be used, if any.
  check() {
    for (const field of this.fields) {
      field.get();
      if (field.input?.validationMessage) {
        for (let box = field.input.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
        field.input.reportValidity();
        return false;
      }
    }
    return true;
  }
}
