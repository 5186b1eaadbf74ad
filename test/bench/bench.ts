import { parseArgs } from 'node:util';
import { run } from '../../src/host/run.js';
import type { DockerClient } from '../docker-client.js';
import { startNode, type Node } from '../harness.js';
import { hostLeftovers } from '../host-leftovers.js';
import { measure, ToolClock } from './meter.js';
import { formatTable, toRow, VERBS, type BenchRow, type Measurement, type Verb } from './rows.js';

const LATENCIES_MS = [0, 50];
const ROUNDS = 20;
/** The volume that is mounted again and again, and its group, which the others join and leave. */
const MOUNTED = 'mounted';
const GROUP = 'bench';

const NOTE = `
${ROUNDS} calls each, by one client; counts and times are medians. latency = added to every array call by the simulator.
chain = longest chain of array calls that each began after the end of the one before. Without latency calls that were sent
together may still be answered one after the other, so trust the chain of the rows with latency.
fs = time in the host's tools (losetup, blkid, mount, umount, …). mount: replicated, formatted before. remove: a member of
a started group that keeps another. list: of four volumes.
Not counted: logins (done in a round before) and the status poll (GET /api/v1/remotecopygroups, every 15 s and after changes).
Daemon and simulated arrays share one process: real arrays answer slower, and take none of the daemon's time.
`;

type Samples = Map<Verb, Measurement[]>;

/** Takes a sample of the verb while it does the work. */
type Sample = (verb: Verb, act: () => Promise<unknown>) => Promise<void>;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));
  }
  const rows: BenchRow[] = [];
  for (const latencyMs of LATENCIES_MS) {
    const samples = await benchAt(latencyMs, interrupted.signal);
    for (const verb of VERBS) {
      const row = toRow({ verb, latencyMs, clients: 1 }, samples.get(verb) ?? []);
      rows.push(row);
      if (values.json) console.log(JSON.stringify(row));
    }
  }
  if (!values.json) console.log(formatTable(rows));
  // Beside the rows, so that they can be read by a program.
  console.error(NOTE);
}

/** A daemon and arrays of their own for each latency, so that nothing of the one is in the way of the other. */
async function benchAt(latencyMs: number, signal: AbortSignal): Promise<Samples> {
  const tools = new ToolClock();
  const node = await startNode({ run: tools.timed(run) });
  const samples: Samples = new Map(VERBS.map((verb) => [verb, []]));
  try {
    await prepare(node.docker);
    await runRound(node, 'warm-up', async (_verb, act) => void (await act()));
    for (let round = 1; round <= ROUNDS; round += 1) {
      signal.throwIfAborted();
      await node.control.latency(latencyMs);
      await runRound(node, `${round}`, async (verb, act) => {
        samples.get(verb)?.push(await measure({ control: node.control, tools }, act));
      });
    }
  } finally {
    await node.control.latency(0);
    // Where a round broke off it may still be mounted.
    await node.docker.unmount(MOUNTED);
    await node.close();
  }
  const left = await hostLeftovers(node.dir);
  if (left.length > 0) throw new Error(`the bench left behind: ${left.join('; ')}`);
  return samples;
}

async function prepare(docker: DockerClient): Promise<void> {
  await done(docker.create(MOUNTED, { size: '1', replicationGroup: GROUP }));
  await docker.mount(MOUNTED);
  await done(docker.unmount(MOUNTED));
}

/** Every verb once; the volumes that it made are gone at its end. */
async function runRound({ docker, control }: Node, round: string, sample: Sample): Promise<void> {
  const [plain, first, member] = [`plain-${round}`, `first-${round}`, `member-${round}`];
  const group = `new-${round}`;
  await sample('create', async () => done(docker.create(plain, { size: '1', backend: 'plain' })));
  await sample('create-replicated-new-group', async () =>
    done(docker.create(first, { size: '1', replicationGroup: group })),
  );
  await sample('create-replicated-existing-group', async () =>
    done(docker.create(member, { size: '1', replicationGroup: GROUP })),
  );
  await sample('mount', async () => docker.mount(MOUNTED));
  await sample('get', async () => docker.status(MOUNTED));
  await sample('list', async () => docker.call('VolumeDriver.List'));
  await sample('unmount', async () => done(docker.unmount(MOUNTED)));
  await sample('remove', async () => done(docker.remove(member)));
  await control.latency(0);
  await done(docker.remove(first));
  await done(docker.remove(plain));
}

/** @throws the plugin's Err */
async function done(answer: Promise<string>): Promise<void> {
  const error = await answer;
  if (error !== '') throw new Error(error);
}

await main();
