// SPDX-License-Identifier: Apache-2.0
// Forward gradients: exact and forward gradients descend side by side, on a test function or on a small network.
import { choice, element } from "../lib/dom.js";
import { functionView } from "./forward-gradient/function.js";
import { networkView } from "./forward-gradient/network.js";

export default {
  title: "Forward gradients",
  async mount(context) {
    const { root, query } = context;
    root.append(
      element(
        "p",
        { class: "lead" },
        "A forward gradient is the slope along a random direction, times that direction: right on average, without a backward pass, and noisy. Watch what the noise costs.",
      ),
    );
    const views = { function: functionView, network: networkView };
    const built = {};
    const places = { function: element("div"), network: element("div") };
    const show = async (name) => {
      for (const [key, place] of Object.entries(places)) place.hidden = key !== name;
      if (built[name]) return;
      built[name] = true;
      await views[name](context, places[name]);
    };
    const start = query.get("on") === "network" ? "network" : "function";
    const picker = choice(
      "What descends",
      [
        ["function", "A test function"],
        ["network", "A small network"],
      ],
      start,
      (name) => {
        context.setQuery({ on: name === "network" ? "network" : "" });
        show(name);
      },
    );
    root.append(element("div", { class: "row" }, picker.row), places.function, places.network);
    await show(start);
  },
};
