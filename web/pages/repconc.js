// SPDX-License-Identifier: Apache-2.0
// RepCONC: one question, answered by words, by whole vectors and by codes of a few bytes, side by side, with bytes and time of each.
import { api } from "../lib/api.js";
import { announce, card, element, labelled, selectOf, slider } from "../lib/dom.js";
import { number } from "../lib/format.js";
import { hint, Notices } from "../lib/notice.js";

const COLUMNS = [
  ["bm25", "Words (BM25)"],
  ["exact", "Whole vectors"],
  ["codes", "Codes"],
];
const SHOWN = 10;

// Served indexes of the same documents stand together: the slider chooses among their sizes.
async function findIndexes(signal) {
  let found = [];
  do {
    const { models } = await api.get("/api/models", { signal });
    found = models.filter((model) => model.system === "repconc" && model.routes.some((route) => route.path === "about"));
    if (found.every((model) => model.ready)) break;
    await new Promise((resolve) => setTimeout(resolve, 500)); // the server is warming up
  } while (!signal.aborted);
  return Promise.all(
    found.map(async (model) => ({
      name: model.name,
      ...(await api.post(`/api/models/${encodeURIComponent(model.name)}/about`, {}, { signal })),
    })),
  );
}

const howToBegin = () =>
  card(
    "No index is served yet",
    element("p", {}, "Train a retriever, index its documents, and start the server with the folder:"),
    element(
      "pre",
      {},
      "tenfold repconc train DATA --bytes 16 --out my-search\ntenfold repconc index my-search --corpus DATA\ntenfold serve my-search",
    ),
    hint("DATA is a folder in the form of BEIR. Without it, --preset demo trains on a small made-up collection in seconds."),
  );

// An index of vectors has no encoder: it is asked by programs.
const vectorCard = ({ name, documents, dimension, bytes_per_document: bytes }) =>
  card(
    `${name}: an index of vectors`,
    element(
      "p",
      {},
      `${number(documents)} documents given as vectors of ${number(dimension)} numbers, in ${number(bytes)} bytes each. There is no encoder for texts here: a program sends the vector of a query and gets rows and scores.`,
    ),
    element(
      "pre",
      {},
      `POST /v2/models/${name}/infer\n{"inputs": [{"name": "vector", "datatype": "FP32", "shape": [1, ${dimension}], "data": [ ${dimension} numbers ]}],\n "parameters": {"k": 10}}`,
    ),
  );

const bytesText = (bytes) => `${number(bytes)} bytes a document`;

class SearchView {
  constructor(context, indexes) {
    Object.assign(this, { context, indexes, notices: new Notices(), asked: null });
    this.form = element("form", { role: "search", onsubmit: (event) => this.submit(event) });
    this.answers = element("div", { class: "answers", "aria-live": "polite" });
  }

  // Indexes of the chosen one's documents, and all sizes they have or can be compared at.
  get group() {
    return this.indexes.filter((index) => index.fingerprint === this.chosen.fingerprint);
  }

  build() {
    const { query } = this.context;
    this.chosen = this.indexes.find((index) => index.name === query.get("index")) ?? this.indexes[0];
    this.box = element("input", { type: "search", value: query.get("q") ?? "", autocomplete: "off", maxlength: "2000" });
    this.select = selectOf(
      this.indexes.map((index) => [index.name, `${index.name}: ${number(index.documents)} documents`]),
      { value: this.chosen.name, onchange: () => this.choose() },
    );
    this.sizeRow = element("div");
    this.placeSlider(Number(query.get("bytes")));
    this.form.append(
      labelled("Search", this.box),
      this.indexes.length > 1 ? labelled("Index", this.select) : "",
      this.sizeRow,
      element("div", { class: "row" }, element("button", { type: "submit", class: "main" }, "Search")),
    );
    return [
      card("Question", this.form, hint(`${number(this.chosen.documents)} documents, vectors of ${this.chosen.dimension} numbers.`)),
      this.notices.node,
      this.answers,
    ];
  }

  placeSlider(wanted) {
    this.sizes = [...new Set(this.group.flatMap((index) => index.sizes))].sort((a, b) => a - b);
    const own = this.sizes.indexOf(this.sizes.includes(wanted) ? wanted : this.chosen.bytes_per_document);
    const print = (place) => String(this.sizes[place]);
    const parse = (text) => this.sizes.indexOf(Number(text));
    this.size = slider("Bytes of a document's code", {
      min: 0,
      max: this.sizes.length - 1,
      step: 1,
      value: own,
      print,
      parse: (text) => (parse(text) < 0 ? NaN : parse(text)),
      help: `Trained for ranking: ${this.group.map((index) => index.bytes_per_document).join(", ")}. Other sizes are compressed by OPQ without training, for comparison; the first search with one takes seconds.`,
      onchange: () => this.again(),
    });
    this.sizeRow.replaceChildren(this.size.row);
  }

  choose() {
    this.chosen = this.indexes.find((index) => index.name === this.select.value);
    this.placeSlider(0);
    this.again();
  }

  submit(event) {
    event.preventDefault();
    this.asked = this.box.value.trim();
    this.run();
  }

  again() {
    clearTimeout(this.timer);
    if (this.asked) this.timer = setTimeout(() => this.run(), 150);
  }

  async run() {
    this.pending?.abort();
    this.pending = new AbortController();
    const { signal } = this.pending;
    this.context.signal.addEventListener("abort", () => this.pending.abort(), { once: true });
    this.notices.clear();
    const bytes = this.sizes[this.size.get()];
    const trained = this.group.find((index) => index.bytes_per_document === bytes);
    const index = trained ?? this.chosen;
    this.context.setQuery({ q: this.asked, bytes: String(bytes), index: this.chosen === this.indexes[0] ? "" : this.chosen.name });
    try {
      const result = await api.post(
        `/api/models/${encodeURIComponent(index.name)}/search`,
        { text: this.asked, methods: COLUMNS.map(([id]) => id), k: SHOWN, bytes },
        { signal },
      );
      this.draw(result);
    } catch (error) {
      if (!signal.aborted) this.notices.error(error);
    }
  }

  draw({ answers }) {
    const exact = new Set(answers.find((answer) => answer.asked === "exact").hits.map((hit) => hit.id));
    this.answers.replaceChildren(
      element(
        "div",
        { class: "side-by-side" },
        answers.map((answer) => {
          const title = COLUMNS.find(([id]) => id === answer.asked)[1];
          return this.column(answer.method === "opq" ? "Codes, OPQ without training" : title, answer, exact);
        }),
      ),
    );
    announce(answers.map((answer) => `${answer.method}: ${answer.hits.length} documents`).join(", "));
  }

  column(title, answer, exact) {
    const same = answer.hits.filter((hit) => exact.has(hit.id)).length;
    return card(
      title,
      element(
        "p",
        { class: "figures" },
        `${bytesText(answer.bytes_per_document)} · ${number(answer.microseconds)} µs`,
        answer.asked === "codes" ? ` · ${same} of ${exact.size} as by whole vectors` : "",
      ),
      answer.hits.length === 0 ? element("p", {}, "Nothing found.") : "",
      element(
        "ol",
        { class: "hits" },
        answer.hits.map((hit) =>
          element(
            "li",
            {},
            element("span", { class: "hit-head" }, element("strong", {}, hit.id), ` ${number(hit.score)}`),
            element("span", { class: "hit-text" }, hit.text),
          ),
        ),
      ),
    );
  }
}

export default {
  title: "RepCONC",
  async mount(context) {
    const { root, signal, query } = context;
    root.append(
      element(
        "p",
        { class: "lead" },
        "A document's vector of some hundred numbers becomes a few bytes. Ask something, move the slider, and see what that costs beside whole vectors and plain words.",
      ),
    );
    const indexes = await findIndexes(signal);
    if (indexes.length === 0) return root.append(howToBegin());
    const ofTexts = indexes.filter((index) => index.content !== "vectors");
    const ofVectors = indexes.filter((index) => index.content === "vectors").map(vectorCard);
    if (ofTexts.length === 0) return root.append(...ofVectors);
    const view = new SearchView(context, ofTexts);
    root.append(...view.build(), ...ofVectors);
    if (query.get("q")) {
      view.asked = query.get("q");
      await view.run();
    }
    return undefined;
  },
};
