// SPDX-License-Identifier: Apache-2.0
// A table that can be sorted by its headers and scrolls in its own box.
import { element } from "./dom.js";

// columns: [{title, value(row), cell?(row), numeric?, sort?}]. `cell` may return an element; `value` is what is sorted by.
// options: {caption, key(row), empty, sortBy, descending}.
export class Table {
  #columns;
  #options;
  #rows = [];
  #sort;

  constructor(columns, options = {}) {
    this.#columns = columns;
    this.#options = options;
    this.#sort = { column: options.sortBy ?? null, descending: options.descending ?? false };
    this.body = element("tbody");
    this.head = element("tr");
    this.node = element(
      "div",
      { class: "table-box", tabindex: "0", role: "region", "aria-label": options.caption ?? "Table" },
      element(
        "table",
        {},
        options.caption ? element("caption", { class: options.showCaption ? null : "unseen" }, options.caption) : null,
        element("thead", {}, this.head),
        this.body,
      ),
    );
    this.#drawHead();
  }

  set(rows) {
    this.#rows = rows;
    this.#drawBody();
  }

  #drawHead() {
    this.head.replaceChildren(
      ...this.#columns.map((column, i) => {
        const sorted = this.#sort.column === i;
        const order = sorted ? (this.#sort.descending ? "descending" : "ascending") : null;
        const title =
          column.sort === false || this.#options.sortable === false
            ? column.title
            : element(
                "button",
                { type: "button", class: "sort", onclick: () => this.#sortBy(i) },
                column.title,
                element("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (this.#sort.descending ? "▾" : "▴") : ""),
              );
        return element("th", { scope: "col", class: column.numeric ? "num" : null, "aria-sort": order }, title);
      }),
    );
  }

  #sortBy(i) {
    this.#sort = { column: i, descending: this.#sort.column === i ? !this.#sort.descending : Boolean(this.#columns[i].numeric) };
    this.#drawHead();
    this.#drawBody();
    this.head.children[i].querySelector("button").focus();
  }

  #sorted() {
    const { column, descending } = this.#sort;
    if (column === null) return this.#rows;
    const value = this.#columns[column].value;
    const compare = (a, b) => {
      const [left, right] = [value(a), value(b)];
      if (typeof left === "number" || typeof right === "number") return (left ?? -Infinity) - (right ?? -Infinity);
      return String(left ?? "").localeCompare(String(right ?? ""));
    };
    return [...this.#rows].sort((a, b) => (descending ? -compare(a, b) : compare(a, b)));
  }

  #drawBody() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement.id : "";
    const rows = this.#sorted().map((row) =>
      element(
        "tr",
        { class: this.#options.rowClass?.(row) },
        this.#columns.map((column, i) => {
          const cell = column.cell ? column.cell(row) : column.value(row);
          const tag = i === this.#options.header ? "th" : "td";
          return element(
            tag,
            {
              class: [column.numeric ? "num" : "", column.class ?? ""].join(" ").trim() || null,
              scope: tag === "th" ? "row" : null,
            },
            cell instanceof Node ? cell : String(cell ?? "–"),
          );
        }),
      ),
    );
    if (rows.length === 0) {
      rows.push(
        element(
          "tr",
          {},
          element("td", { colspan: this.#columns.length, class: "empty" }, this.#options.empty ?? "Nothing here yet."),
        ),
      );
    }
    this.head.parentNode.hidden = this.#rows.length === 0;
    this.body.replaceChildren(...rows);
    if (focused) document.getElementById(focused)?.focus();
  }
}

export function simpleTable(head, rows, options = {}) {
  const table = new Table(
    head.map((title, i) => ({
      title,
      value: (row) => row[i],
      numeric: options.numeric?.includes(i),
      class: options.keep?.includes(i) ? "keep" : null,
    })),
    { sortable: false, ...options },
  );
  table.set(rows);
  return table.node;
}
