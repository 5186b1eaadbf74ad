import type { Schedules } from '../contracts/snapshots.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import type { ScheduledSnapshots } from '../domain/schedule.js';
import type { Cli } from './cli.js';
import { makeSo } from './make-so.js';
import { safeName } from './paths.js';

/** Five cron fields; options have been checked for more than this. */
const CRON = /^[0-9*,-]+( [0-9*,-]+){4}$/;

/** A row of `showsched`, as far as all arrays have it: name, command, five fields of time. */
type Row = [name: string, command: string, ...times: string[]];

/** Schedules of one array, by its command line: WSAPI has none. */
export class CliSchedules implements Schedules {
  readonly #cli: Cli;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  async find(name: string, signal: AbortSignal): Promise<{ command: string; frequency: string } | undefined> {
    const row = await this.#findRow(name, signal);
    return row && describe(row);
  }

  async #findRow(name: string, signal: AbortSignal): Promise<Row | undefined> {
    const command = `showsched ${safeName(name)}`;
    const lines = await this.#cli.read(command, signal).catch((thrown: unknown) => {
      const cause = asDriverError(thrown);
      // A read may be repeated at will, whatever became of it.
      throw cause.code === 'unknown-outcome' ? unanswered(cause) : cause;
    });
    const cells = lines.map(cellsOf).find(([first]) => first === name);
    if (cells !== undefined) return [name, cells[1] ?? '', ...cells.slice(2)];
    if (lines.some((line) => line.startsWith('No scheduled tasks') || line.includes('SchedName'))) return undefined;
    throw new DriverError('unavailable', `${this.#cli.label}: the answer to ${command} cannot be understood`, {
      next: `type it on the array and see what it prints: ${command}`,
    });
  }

  async ensure(wanted: ScheduledSnapshots, signal: AbortSignal): Promise<void> {
    const { name, frequency } = wanted;
    const before = await this.#findRow(name, signal);
    if (before !== undefined) {
      if (isOurs(wanted, before)) return;
      throw this.#foreign(name, before);
    }
    if (!CRON.test(frequency)) throw new DriverError('internal', `${JSON.stringify(frequency)} is no frequency`);
    const command = `createsched "${taskOf(wanted)}" "${frequency}" ${safeName(name)}`;
    await makeSo(
      {
        act: async () => this.#cli.change(command, signal),
        read: async () => this.#findRow(name, signal),
        isDone: (found) => found !== undefined && isOurs(wanted, found),
        notDone: (found) =>
          found === undefined
            ? this.#notDone(`the creation of schedule ${name}`, 'there is none')
            : this.#foreign(name, found),
      },
      signal,
    );
  }

  async remove(ours: ScheduledSnapshots, signal: AbortSignal): Promise<void> {
    const { name } = ours;
    const found = await this.#findRow(name, signal);
    // An administrator may have given it another time, and then it ends, too. One that does something else is not ours, which is gone.
    if (found === undefined || !runsOurs(ours, found)) return;
    await makeSo(
      {
        act: async () => this.#cli.change(`removesched -f ${safeName(name)}`, signal),
        read: async () => this.#findRow(name, signal),
        isDone: (state) => state === undefined || !runsOurs(ours, state),
        notDone: () => this.#notDone(`the removal of schedule ${name}`, 'it is still there'),
      },
      signal,
    );
  }

  #foreign(name: string, found: Row): DriverError {
    const { command, frequency } = describe(found);
    const text = `${this.#cli.label} has another schedule ${name}: ${command} at ${frequency}; it is not touched`;
    return new DriverError('exists', text, { next: 'choose another scheduleName' });
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

const describe = ([, command, ...times]: Row) => ({ command, frequency: times.slice(0, 5).join(' ') });

/** The volume's name was drawn from a fresh uuid, so nobody else's schedule runs exactly this. */
const runsOurs = (ours: ScheduledSnapshots, [, command]: Row): boolean => words(command) === words(taskOf(ours));

function isOurs(ours: ScheduledSnapshots, row: Row): boolean {
  const [, , ...times] = row;
  const wanted = words(ours.frequency);
  return runsOurs(ours, row) && `${words(times.join(' '))} `.startsWith(`${wanted} `);
}

/** Lists of hours may come with quotes around them or without, so their commas count like blanks. */
const words = (text: string): string =>
  text
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .join(' ');

/** A line of the array's CSV; cells with blanks or commas may be quoted. */
const cellsOf = (line: string): string[] =>
  [...line.matchAll(/(?:^|,)\s*(?:"([^"]*)"|([^,]*))/g)].map((match) => (match[1] ?? match[2] ?? '').trim());
