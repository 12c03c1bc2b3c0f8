// SPDX-License-Identifier: Apache-2.0
// Light and dark: by the system, or by the reader's choice, which is kept. theme-early.js has set the first value.

const root = document.documentElement;
const system = window.matchMedia("(prefers-color-scheme: dark)");
export const themeChanges = new EventTarget();

// The value of a custom property such as "--ink".
export const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();

function apply() {
  root.dataset.theme = root.dataset.chosen || (system.matches ? "dark" : "light");
  themeChanges.dispatchEvent(new Event("change"));
}

export function startTheme(select) {
  select.value = root.dataset.chosen;
  select.addEventListener("change", () => {
    root.dataset.chosen = select.value;
    try {
      localStorage.setItem("tenfold.theme", select.value);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
    apply();
  });
  system.addEventListener("change", apply);
}
