import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { asDriverError, DriverError } from '../domain/errors.js';
import { activeSideOf, lastSyncOf, protectionOf, type GroupReport } from '../domain/group-report.js';
import { otherSide } from '../domain/replication.js';
import { openAudit, type Audit } from './audit.js';
import { thenCleanUp } from './clean-up.js';
import { askDaemon } from './daemon-client.js';
import { driverOf, removeAll, runOnce } from './drill-container.js';
import { withReports, type Where } from './reports.js';
import { WHERE_OPTIONS } from './status.js';
import { processTerminal, type Terminal } from './terminal.js';
import { UsageError } from './usage.js';

interface DrillWish {
  group: string;
  backend: string | undefined;
  image: string;
  command: string[];
  where: Where;
  socket: string;
}

type Say = Pick<Terminal, 'say'>;

/**
 * `drill RCG --image IMAGE -- COMMAND`: shows the command a snapshot of the passive copy of each volume, read-only at `/drill/VOLUME`, and
 * drops it again. Replication goes on all the time. @throws `refused` when the command fails, or the group changed meanwhile
 */
export async function drill(args: string[], terminal: Say = processTerminal({ yes: true })): Promise<string[]> {
  const wish = parseDrill(args);
  const { where, group: name, backend } = wish;
  await withReports(where, async (reports) => {
    const before = await reports.group({ name, backend });
    const passive = passiveSide(before);
    const audit = await openAudit(where.stateDir, `drill ${before.name}`);
    await audit.write({ event: 'begin', what: wish.command.join(' ') });
    terminal.say(`drill of group ${before.name}: the copies on the ${passive} array, which does not serve it`);
    const last = lastSyncOf(before.sides[passive]);
    if (last !== undefined) terminal.say(`  as of the last completed sync, ${last}`);
    const { exitCode } = await show(wish, { report: before, audit, terminal }).catch(async (thrown: unknown) => {
      await audit.write({ event: 'end', what: 'not finished', reason: asDriverError(thrown).toUserText() });
      throw thrown;
    });
    const after = await reports.group({ name, backend });
    await audit.write({ event: 'end', what: `exit code ${exitCode}` });
    conclude(after, { exitCode, terminal });
  });
  return [];
}

/** @throws `refused` */
function passiveSide(report: GroupReport) {
  const { side } = activeSideOf(report);
  const { isProtected, why } = protectionOf(report);
  if (side !== undefined && isProtected) return otherSide(side);
  throw new DriverError('refused', `the passive copies of group ${report.name} are not whole now: ${why}`, {
    next: 'see hpe-volume-plugin status; repeat the drill when the group is protected',
  });
}

async function show(
  wish: DrillWish,
  { report, audit, terminal }: { report: GroupReport; audit: Audit; terminal: Say },
): Promise<{ exitCode: number }> {
  const volumes = new Map<string, string>();
  const used = report.volumes.filter((each) => each.everMounted);
  const first = used[0];
  if (first === undefined) {
    throw new DriverError('refused', `no volume of group ${report.name} was ever mounted, so there is nothing to see`, {
      next: 'start a container with one first',
    });
  }
  const driver = await driverOf(wish.socket, first.name);
  return thenCleanUp(
    async () => {
      for (const { name } of used) {
        const snapshot = `drill-${name.slice(0, 150)}-${randomBytes(4).toString('hex')}`;
        volumes.set(snapshot, `/drill/${name}`);
        await audit.write({ event: 'about-to', what: `snapshot ${snapshot} of the passive copy of ${name}` });
        const answer = await askDaemon(wish.where.stateDir, '/drill', { volume: name, name: snapshot });
        if (answer === undefined) throw noDaemon(wish);
        terminal.say(`  ${name}: snapshot ${snapshot}, read-only at /drill/${name}`);
      }
      return runCommand(wish, { volumes, driver, terminal });
    },
    async () => {
      await removeAll(wish.socket, volumes.keys());
      terminal.say('  the snapshots are dropped');
    },
  );
}

async function runCommand(
  { image, command, socket }: DrillWish,
  { volumes, driver, terminal }: { volumes: ReadonlyMap<string, string>; driver: string; terminal: Say },
): Promise<{ exitCode: number }> {
  terminal.say(`  ${image}: ${command.join(' ')}`);
  const { exitCode, output } = await runOnce(socket, { image, command, volumes, driver });
  for (const line of output === '' ? [] : output.split('\n')) terminal.say(`  | ${line}`);
  terminal.say(`  exit code ${exitCode}`);
  return { exitCode };
}

const noDaemon = ({ where }: DrillWish): DriverError =>
  new DriverError('refused', `no daemon runs with the state directory ${where.stateDir}`, { next: 'start the plugin' });

function conclude(after: GroupReport, { exitCode, terminal }: { exitCode: number; terminal: Say }): void {
  const { isProtected, why } = protectionOf(after);
  if (!isProtected) {
    throw new DriverError('refused', `group ${after.name} is not protected any more after the drill: ${why}`, {
      next: 'see hpe-volume-plugin status',
    });
  }
  terminal.say(`ok     replication of ${after.name} goes on: ${why}`);
  if (exitCode === 0) return;
  throw new DriverError('refused', `the drill of group ${after.name} failed: its command ended with ${exitCode}`, {
    next: 'see its output above; the copies themselves are as they were',
  });
}

/** @throws UsageError naming what is wrong */
export function parseDrill(args: string[]): DrillWish {
  try {
    const options = { ...WHERE_OPTIONS, backend: { type: 'string' }, image: { type: 'string' } } as const;
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
    const [group, ...command] = positionals;
    const { image, backend } = values;
    if (group === undefined || image === undefined || command.length === 0) {
      throw new UsageError('drill takes the name of one remote copy group, --image IMAGE, and after -- a command');
    }
    const where = { configFile: values.config, stateDir: values['state-dir'] };
    return { group, backend, image, command, where, socket: values['docker-socket'] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
