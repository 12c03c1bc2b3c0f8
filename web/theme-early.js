// SPDX-License-Identifier: Apache-2.0
// Sets the colours before the first picture; not a module, because modules wait for the page. lib/theme.js goes on from here.
"use strict";
{
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = "";
  try {
    chosen = localStorage.getItem("tenfold.theme") ?? "";
  } catch {
    // Storage is switched off: the colours follow the system.
  }
  root.dataset.chosen = chosen;
  root.dataset.theme = chosen || (dark.matches ? "dark" : "light");
}
