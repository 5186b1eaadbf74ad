import type { Schedules } from '../contracts/snapshots.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { ScheduledSnapshots } from '../domain/schedule.js';
import type { Cli } from './cli.js';
import { makeSo } from './make-so.js';
import { safeName } from './paths.js';

/** Five cron fields; options have been checked for more than this. */
const CRON = /^[0-9*,-]+( [0-9*,-]+){4}$/;

type Found = { command: string; frequency: string } | undefined;

/** Schedules of one array, by its command line: WSAPI has none. */
export class CliSchedules implements Schedules {
  readonly #cli: Cli;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  async find(name: string, signal: AbortSignal): Promise<Found> {
    const command = `showsched ${safeName(name)}`;
    const lines = await this.#cli.read(command, signal).catch((thrown: unknown) => {
      const cause = asDriverError(thrown);
      // A read may be repeated at will, whatever became of it.
      throw cause.code === 'unknown-outcome' ? unanswered(cause) : cause;
    });
    const row = lines.map(cellsOf).find((cells) => cells[0] === name);
    if (row !== undefined) return { command: row[1] ?? '', frequency: row.slice(2, 7).join(' ') };
    if (lines.some((line) => line.startsWith('No scheduled tasks') || line.includes('SchedName'))) return undefined;
    throw new DriverError('unavailable', `${this.#cli.label}: the answer to ${command} cannot be understood`, {
      next: `type it on the array and see what it prints: ${command}`,
    });
  }

  async ensure(wanted: ScheduledSnapshots, signal: AbortSignal): Promise<void> {
    const { name, frequency } = wanted;
    const before = await this.find(name, signal);
    if (before !== undefined) {
      if (isOurs(wanted, before)) return;
      throw this.#foreign(name, before, 'exists');
    }
    if (!CRON.test(frequency)) throw new DriverError('internal', `${JSON.stringify(frequency)} is no frequency`);
    const command = `createsched "${taskOf(wanted)}" "${frequency}" ${safeName(name)}`;
    await makeSo(
      {
        act: async () => this.#cli.change(command, signal),
        read: async () => this.find(name, signal),
        isDone: (found) => found !== undefined && isOurs(wanted, found),
        notDone: (found) =>
          found === undefined
            ? this.#notDone(`the creation of schedule ${name}`, 'there is none')
            : this.#foreign(name, found, 'exists'),
      },
      signal,
    );
  }

  async remove(ours: ScheduledSnapshots, signal: AbortSignal): Promise<void> {
    const { name } = ours;
    const found = await this.find(name, signal);
    if (found === undefined) return;
    if (!isOurs(ours, found)) throw this.#foreign(name, found, 'refused');
    await makeSo(
      {
        act: async () => this.#cli.change(`removesched -f ${safeName(name)}`, signal),
        read: async () => this.find(name, signal),
        isDone: (state) => state === undefined,
        notDone: () => this.#notDone(`the removal of schedule ${name}`, 'it is still there'),
      },
      signal,
    );
  }

  #foreign(name: string, found: NonNullable<Found>, code: 'exists' | 'refused'): DriverError {
    const text = `${this.#cli.label} has another schedule ${name}: ${found.command} at ${found.frequency}; it is not touched`;
    const next = code === 'exists' ? 'choose another scheduleName' : `see whose it is with: showsched ${name}`;
    return new DriverError(code, text, { next });
  }

  #notDone(what: string, seen: string): DriverError {
    return new DriverError('unavailable', `${this.#cli.label} acknowledged ${what}, but ${seen}`, {
      next: 'see the events of the array with: showeventlog -min 10',
    });
  }
}

const unanswered = (cause: DriverError): DriverError =>
  new DriverError('unavailable', cause.message, { cause, ...(cause.next === undefined ? {} : { next: cause.next }) });

/** What the schedule runs; `@y@` and so on are the array's own, and become the time of the snapshot. */
function taskOf({ of, prefix, expirationHours, retentionHours }: ScheduledSnapshots): string {
  const life = [
    ...(expirationHours === undefined ? [] : ['-exp', `${hours(expirationHours)}h`]),
    ...(retentionHours === undefined ? [] : ['-retain', `${hours(retentionHours)}h`]),
  ];
  return ['createsv', '-f', ...life, `${safeName(prefix)}.@y@@m@@d@@H@@M@@S@`, safeName(of)].join(' ');
}

function hours(count: number): number {
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new DriverError('internal', `${count} is no number of hours`);
}

/** The volume's name was drawn from a fresh uuid, so nobody else's schedule runs exactly this. */
const isOurs = (ours: ScheduledSnapshots, found: NonNullable<Found>): boolean =>
  words(found.command) === words(taskOf(ours)) && words(found.frequency) === words(ours.frequency);

const words = (text: string): string =>
  text
    .split(/\s+/)
    .filter((word) => word !== '')
    .join(' ');

/** A line of the array's CSV; cells with blanks or commas may be quoted. */
const cellsOf = (line: string): string[] =>
  [...line.matchAll(/(?:^|,)\s*(?:"([^"]*)"|([^,]*))/g)].map((match) => (match[1] ?? match[2] ?? '').trim());
