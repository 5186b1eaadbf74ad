/** When something runs, as cron has it: minute, hour, day of month, month, day of week (0 and 7 are Sunday). */
export interface CronTimes {
  /** As they were given, or what a word such as `@daily` stands for. */
  fields: readonly [string, string, string, string, string];
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  weekdays: ReadonlySet<number>;
}

const WORDS = new Map([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@yearly', '0 0 1 1 *'],
]);

const RANGES = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

/** Undefined for a text that is no schedule. */
export function parseCron(text: string): CronTimes | undefined {
  const fields = (WORDS.get(text.trim()) ?? text).trim().split(/\s+/);
  const sets = fields.map((field, index) => parseField(field, RANGES[index] ?? [0, -1]));
  const [minute, hour, day, month, weekday] = fields;
  const [minutes, hours, days, months, weekdays] = sets;
  if (fields.length !== 5 || !minutes || !hours || !days || !months || !weekdays) return undefined;
  if (weekdays.has(7)) weekdays.add(0);
  const given = [minute ?? '', hour ?? '', day ?? '', month ?? '', weekday ?? ''] as const;
  return { fields: given, minutes, hours, days, months, weekdays };
}

/** Commas between numbers, ranges and `*`, the last two with steps: `1,10-20/5`. */
function parseField(field: string, [first, last]: readonly [number, number]): Set<number> | undefined {
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const [, range, from, to, step] = /^(?:(\*)|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part) ?? [];
    if (range === undefined && from === undefined) return undefined;
    if (step !== undefined && range === undefined && to === undefined) return undefined;
    const start = range === undefined ? Number(from) : first;
    const end = range === undefined ? Number(to ?? from) : last;
    const by = Number(step ?? 1);
    if (start < first || end > last || start > end || by < 1) return undefined;
    for (let value = start; value <= end; value += by) values.add(value);
  }
  return values;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Long enough for the 29th of February. */
const HORIZON_MS = 9 * 366 * DAY_MS;

/** The first whole minute after that moment at which it runs, in UTC; undefined for days that never come. */
export function nextRun(times: CronTimes, after: Date): Date | undefined {
  let time = Math.floor(after.getTime() / MINUTE_MS + 1) * MINUTE_MS;
  for (const end = time + HORIZON_MS; time < end;) {
    const date = new Date(time);
    if (!isDay(times, date)) time = Math.floor(time / DAY_MS + 1) * DAY_MS;
    else if (!times.hours.has(date.getUTCHours())) time = Math.floor(time / HOUR_MS + 1) * HOUR_MS;
    else if (!times.minutes.has(date.getUTCMinutes())) time += MINUTE_MS;
    else return date;
  }
  return undefined;
}

/** With both kinds of days given, either is enough. */
function isDay({ fields, days, months, weekdays }: CronTimes, date: Date): boolean {
  if (!months.has(date.getUTCMonth() + 1)) return false;
  const [day, weekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
  if (fields[2].startsWith('*') || fields[4].startsWith('*')) return day && weekday;
  return day || weekday;
}
