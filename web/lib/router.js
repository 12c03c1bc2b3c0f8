// SPDX-License-Identifier: Apache-2.0
// Shows the page that the address names: "#/trends?from=2010". A page module has
//   export default { title, async mount(context) }
// and builds itself into context.root. See docs/studio.md.
import { connection } from "./api.js";
import { element } from "./dom.js";
import { errorBox } from "./notice.js";

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { path, query: new URLSearchParams(query) };
}

export function startRouter(pages, root) {
  let leave = null;
  let number = 0;

  function mark(page) {
    for (const link of document.querySelectorAll("#pages a")) {
      if (link.getAttribute("href") === `#/${page?.path ?? "?"}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = page && page.path ? `${page.title} · Tenfold` : "Tenfold";
  }

  function contextOf(page, query) {
    const controller = new AbortController();
    leave = () => controller.abort();
    return {
      root,
      query,
      signal: controller.signal,
      onLeave: (task) => controller.signal.addEventListener("abort", task, { once: true }),
      onReconnect: (task) => connection.addEventListener("back", task, { signal: controller.signal }),
      // Writes the state of the page into the address, for bookmarks and links.
      setQuery(values) {
        const text = new URLSearchParams(
          Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined),
        ).toString();
        history.replaceState(null, "", `#/${page.path}${text ? `?${text}` : ""}`);
      },
    };
  }

  async function show(first) {
    if (location.hash === "#page") {
      // the skip link
      root.focus();
      return;
    }
    const { path, query } = parse(location.hash);
    const own = ++number;
    leave?.();
    leave = null;
    const page = pages.find((each) => each.path === path);
    mark(page);
    root.removeAttribute("data-ready");
    root.replaceChildren(element("p", { class: "loading" }, "Loading…"));
    window.scrollTo(0, 0);
    try {
      if (!page)
        throw Object.assign(new Error("no page"), {
          fields: { what: "there is no such page", seen: path, remedy: "choose one from the menu" },
        });
      const module = await page.load();
      if (own !== number) return;
      root.replaceChildren(element("h1", { tabindex: "-1" }, module.default.title ?? page.title));
      if (!first) root.querySelector("h1").focus({ preventScroll: true });
      await module.default.mount(contextOf(page, query));
    } catch (error) {
      if (own === number) root.append(errorBox(error));
    }
    if (own !== number) return;
    root.querySelector(".loading")?.remove();
    root.dataset.ready = path || "home";
  }

  window.addEventListener("hashchange", () => show(false));
  show(true);
}
