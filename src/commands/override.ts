import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadConfig } from '../config/config.js';
import type { Logger } from '../contracts/log.js';
import { checkVolumeName } from '../domain/names.js';
import { checkOverrideRequest, parseDuration, parseSide, type OverrideRequest } from '../domain/override.js';
import { Overrides } from '../driver/overrides.js';
import { openNodeJournal } from '../store/node-journal.js';
import { buildBackends, openStore } from './build.js';
import { askDaemon } from './daemon-client.js';
import { Passwords } from './passwords.js';
import { pinsIn } from './pins.js';
import { CONFIG_FILE, parseUsage, STATE_DIR, UsageError } from './usage.js';

/** What was typed. */
type OverrideOrder = { make: OverrideRequest } | { end: string };

interface Where {
  configFile: string;
  stateDir: string;
}

/** A lock that a daemon on another node holds is waited for within this. */
const TIMEOUT_MS = 60_000;

/**
 * `override VOLUME --side primary|secondary --for 30m --reason TEXT`, or `override VOLUME --end`: asks the daemon that runs,
 * or changes the metadata itself when none does. The lines to print. @throws UsageError, or DriverError with nothing changed
 */
export async function override(args: string[]): Promise<string[]> {
  const { order, where } = parseOverride(args);
  const body = 'make' in order ? order.make : { volume: order.end };
  const answer = await askDaemon(where.stateDir, 'make' in order ? '/override' : '/override/end', body);
  if (answer !== undefined) return z.array(z.string()).parse(answer.result);
  return withoutDaemon(order, where);
}

/** @throws UsageError naming what is wrong */
export function parseOverride(args: string[]): { order: OverrideOrder; where: Where } {
  return parseUsage(() => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        side: { type: 'string' },
        for: { type: 'string' },
        reason: { type: 'string' },
        end: { type: 'boolean', default: false },
        ...CONFIG_FILE,
        ...STATE_DIR,
      },
    });
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0) throw new UsageError('override takes the name of one volume');
    const volume = checkVolumeName(name);
    const where = { configFile: values.config, stateDir: values['state-dir'] };
    const { side, for: duration, reason } = values;
    if (values.end) {
      if ((side ?? duration ?? reason) !== undefined) throw new UsageError('--end goes with no other option');
      return { order: { end: volume }, where };
    }
    if (side === undefined || duration === undefined || reason === undefined) {
      throw new UsageError('override needs --side, --for and --reason (or --end)');
    }
    const request = { volume, side: parseSide(side), seconds: parseDuration(duration), reason };
    return { order: { make: checkOverrideRequest(request) }, where };
  });
}

async function withoutDaemon(order: OverrideOrder, where: Where): Promise<string[]> {
  const { config } = loadConfig(where.configFile);
  const logger = silent;
  const { nodeId } = await openNodeJournal(where.stateDir);
  const node = { id: nodeId, name: hostname() };
  const store = await openStore(config.etcd, { stateDir: where.stateDir, node, logger });
  const passwords = new Passwords(config, { store, logger });
  const backends = buildBackends(config, { pins: pinsIn(store), passwords, logger });
  try {
    const overrides = new Overrides({ store, backends, node, logger });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const lines = 'make' in order ? await overrides.make(order.make, signal) : await overrides.end(order.end, signal);
    return [...lines, 'no daemon runs with this state directory: the log has it from when one sees it'];
  } finally {
    await backends.close();
    await store.close();
  }
}

/** The command's own output says what happened. */
const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
