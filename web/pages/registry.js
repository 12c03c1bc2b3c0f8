// SPDX-License-Identifier: Apache-2.0
// The pages of the studio, in the order of the menu. A new page is one module beside this file and one line here
// (docs/studio.md). `system` is the name on the command line, for the link from the list of systems.
export const pages = [
  { path: "", title: "Home", load: () => import("./home.js") },
  { path: "trends", title: "Compute trends", system: "trends", load: () => import("./trends.js") },
  { path: "runs", title: "Runs", load: () => import("./runs.js") },
  {
    path: "forward-gradient",
    title: "Forward gradients",
    system: "forward-gradient",
    load: () => import("./forward-gradient.js"),
  },
  { path: "repconc", title: "RepCONC", system: "repconc", load: () => import("./repconc.js") },
];
