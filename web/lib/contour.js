// SPDX-License-Identifier: Apache-2.0
// Contour lines of a function on a grid, by marching squares (Lorensen and Cline 1987 in two dimensions).

// grid: {columns, rows, values (row by row from yMin up), xMin, xMax, yMin, yMax}. Returns [{level, path: [[x0, y0, x1, y1], ...]}].
export function contours(grid, levels) {
  return levels.map((level) => ({ level, path: contour(grid, level) }));
}

// Edges of a cell: 0 bottom, 1 right, 2 top, 3 left; which ones a line joins, by which corners lie above the level
// (1 bottom left, 2 bottom right, 4 top right, 8 top left).
const JOINS = [
  [],
  [[3, 0]],
  [[0, 1]],
  [[3, 1]],
  [[1, 2]],
  [
    [3, 2],
    [0, 1],
  ],
  [[0, 2]],
  [[3, 2]],
  [[2, 3]],
  [[2, 0]],
  [
    [3, 0],
    [1, 2],
  ],
  [[2, 1]],
  [[1, 3]],
  [[1, 0]],
  [[0, 3]],
  [],
];

function contour({ columns, rows, values, xMin, xMax, yMin, yMax }, level) {
  const path = [];
  const [dx, dy] = [(xMax - xMin) / (columns - 1), (yMax - yMin) / (rows - 1)];
  const share = (a, b) => (a === b ? 0.5 : (level - a) / (b - a));
  for (let row = 0; row + 1 < rows; ++row) {
    for (let column = 0; column + 1 < columns; ++column) {
      const at = row * columns + column;
      const [a, b, c, d] = [values[at], values[at + 1], values[at + columns + 1], values[at + columns]];
      const joins = JOINS[(a > level ? 1 : 0) + (b > level ? 2 : 0) + (c > level ? 4 : 0) + (d > level ? 8 : 0)];
      if (joins.length === 0) continue;
      const [x, y] = [xMin + column * dx, yMin + row * dy];
      const point = [
        () => [x + dx * share(a, b), y],
        () => [x + dx, y + dy * share(b, c)],
        () => [x + dx * share(d, c), y + dy],
        () => [x, y + dy * share(a, d)],
      ];
      for (const [from, to] of joins) path.push([...point[from](), ...point[to]()]);
    }
  }
  return path;
}

// Levels evenly spaced in their logarithm between a low percentile of the values and the highest.
export function logLevels(values, count) {
  const sorted = Float64Array.from(values).sort();
  const low = Math.log(Math.max(sorted[Math.floor(0.002 * sorted.length)], 1e-6 * sorted[sorted.length - 1], 1e-12));
  const high = Math.log(sorted[sorted.length - 1]);
  return Array.from({ length: count }, (_, i) => Math.exp(low + ((high - low) * (i + 0.5)) / count));
}
