// SPDX-License-Identifier: Apache-2.0
// Starts the studio: list of pages, colours, state of the connection, router.
import { api, connection } from "./lib/api.js";
import { element } from "./lib/dom.js";
import { startRouter } from "./lib/router.js";
import { startTheme } from "./lib/theme.js";
import { pages } from "./pages/registry.js";

function buildMenu() {
  const nav = document.querySelector("#pages");
  const button = document.querySelector("#menu");
  const open = (shown) => {
    nav.classList.toggle("open", shown);
    button.setAttribute("aria-expanded", String(shown));
  };
  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") !== "true"));
  nav.addEventListener("click", () => open(false));
  nav.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    open(false);
    button.focus();
  });
  nav.querySelector("ul").append(...pages.map((page) => element("li", {}, element("a", { href: `#/${page.path}` }, page.title))));
}

function showConnection() {
  const banner = document.querySelector("#connection");
  connection.addEventListener("lost", (event) => {
    const seconds = event.detail.seconds;
    banner.replaceChildren(
      `The server does not answer. Next try ${seconds === 0 ? "now" : `in ${seconds} s`}. `,
      element("button", { type: "button", onclick: () => connection.retry() }, "Try now"),
    );
    banner.hidden = false;
  });
  connection.addEventListener("back", () => {
    banner.hidden = true;
    banner.replaceChildren();
  });
}

async function showAbout() {
  try {
    const server = await api.get("/api/server");
    document
      .querySelector("#about")
      .replaceChildren(
        `Tenfold ${server.version} (${server.revision}) · `,
        element("a", { href: "/api/openapi.json", target: "_blank", rel: "noopener" }, "API"),
        " · ",
        element("a", { href: "/metrics", target: "_blank", rel: "noopener" }, "metrics"),
      );
  } catch {
    // The banner says that the server is away.
  }
}

buildMenu();
startTheme(document.querySelector("#theme"));
showConnection();
startRouter(pages, document.querySelector("#page"));
showAbout();
connection.addEventListener("back", showAbout);
