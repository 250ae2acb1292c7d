// SPDX-License-Identifier: BSD-3-Clause
/** Moments as people write them on a command line. */

const UNIT_MS: Readonly<Record<string, number>> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 };
const MONTHS: Readonly<Record<string, number>> = { month: 1, year: 12 };
const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/i;

/** The same day and time `count` months before; the last day of a month that is too short for it. */
function monthsBefore(now: number, count: number): number {
  const then = new Date(now);
  const day = then.getDate();
  then.setMonth(then.getMonth() - count);
  if (then.getDate() !== day) then.setDate(0);
  return then.getTime();
}

/**
 * Milliseconds since 1970 of "2026-11-17", "2026-11-17T18:00", "2026-11-17 18:00:30+01:00", "yesterday", "2 hours ago", "last week"; null
 * for anything else. Without a zone the host's is meant; `now` is the time that relative ones count from, ms.
 */
export function moment(text: string, now: number): number | null {
  const words = text.trim().toLowerCase().replaceAll(/\s+/g, " ");
  if (DATE.test(words)) return valid(Date.parse(`${words}T00:00`));
  if (TIME.test(words)) return valid(Date.parse(words.toUpperCase().replace(" ", "T")));
  if (words === "now") return now;
  const relative = words === "yesterday" ? "1 day ago" : words.replace(/^last (\w+)$/, "1 $1 ago").replace(/^an? /, "1 ");
  const match = /^(\d{1,9}) (second|minute|hour|day|week|month|year)s? ago$/.exec(relative);
  if (match === null) return null;
  const [, count, unit] = match as unknown as [string, string, string];
  const months = MONTHS[unit];
  return valid(months === undefined ? now - Number(count) * UNIT_MS[unit]! : monthsBefore(now, Number(count) * months));
}

const valid = (ms: number): number | null => (Number.isNaN(ms) ? null : ms);
