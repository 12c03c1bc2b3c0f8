// SPDX-License-Identifier: Apache-2.0
// Numbers, dates and times as people read them.

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const raised = (exponent) => Array.from(String(exponent), (c) => RAISED[c]).join("");

export const power = (exponent) => `10${raised(exponent)}`;

// 0.0123, 5.72, 12300, 3.9×10²²; "–" when there is no number.
export function number(value, digits = 4) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e6)) return String(Number(value.toPrecision(digits)));
  const [mantissa, exponent] = value.toExponential(Math.min(2, digits - 1)).split("e");
  const factor = Number(mantissa);
  return `${factor === 1 ? "" : factor === -1 ? "-" : `${factor}×`}${power(Number(exponent))}`;
}

// "[5.1; 6.6]"; an open end is ">".
export const interval = (ends, digits = 3) =>
  ends ? `[${ends.map((end) => (end === null ? ">" : number(end, digits))).join("; ")}]` : "–";

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${number(1000 * seconds, 2)} ms`;
  if (seconds < 60) return `${number(seconds, 3)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function when(utc) {
  const time = new Date(utc);
  return Number.isNaN(time.getTime()) ? "–" : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

// "2015-09-01" -> 2015.665..., as the server counts: 365.25 days to every year.
export function decimalYear(date) {
  const match = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?/.exec(date ?? "");
  if (!match) return NaN;
  const year = Number(match[1]);
  const days = (Date.UTC(year, Number(match[2] ?? 1) - 1, Number(match[3] ?? 1)) - Date.UTC(year, 0, 1)) / 86400000;
  return year + days / 365.25;
}

const twoDigits = (value) => String(value).padStart(2, "0");

// 2015.5 -> "2015-07"; a whole year -> "2015".
export function yearMonth(year) {
  const months = Math.round(year * 12);
  return months % 12 === 0 ? String(months / 12) : `${Math.floor(months / 12)}-${twoDigits((months % 12) + 1)}`;
}

export function decimalNow() {
  return decimalYear(new Date().toISOString());
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
