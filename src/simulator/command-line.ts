import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FABRICS } from './pair.js';
import type { FabricName, PairOptions } from './pair.js';

/** Wrong use of the command: exit code 2. */
export class UsageError extends Error {}

export const USAGE = `usage: hpe-3par-sim pair --dir DIR [--latency MS] [--fabric none|loopback|lio] [--addresses A,B]
         [--wsapi-port N] [--ssh-port N] [--user U] [--password P] [--os 3.3.1] [--seed FILE]
         [--witness IP|none] [--failover-delay MS]`;

/** @throws UsageError */
export async function parseCommandLine(args: string[]): Promise<PairOptions> {
  const { values, positionals } = parse(args);
  if (positionals.length !== 1 || positionals[0] !== 'pair') throw new UsageError('the only command is "pair"');
  if (values.dir === undefined || values.dir === '') throw new UsageError('--dir is required');
  const options: PairOptions = { dir: resolve(values.dir) };
  if (values.latency !== undefined) options.latencyMs = wholeNumber('--latency', values.latency, 600_000);
  if (values.fabric !== undefined) options.fabric = parseFabric(values.fabric);
  if (values.addresses !== undefined) options.addresses = parseAddresses(values.addresses);
  if (values['wsapi-port'] !== undefined) options.wsapiPort = wholeNumber('--wsapi-port', values['wsapi-port'], 65_535);
  if (values['ssh-port'] !== undefined) options.sshPort = wholeNumber('--ssh-port', values['ssh-port'], 65_535);
  if (values.user !== undefined) options.user = values.user;
  if (values.password !== undefined) options.password = values.password;
  if (values.os !== undefined) options.os = parseOs(values.os);
  if (values.witness !== undefined) options.witness = parseWitness(values.witness);
  if (values['failover-delay'] !== undefined)
    options.failoverDelayMs = wholeNumber('--failover-delay', values['failover-delay'], 600_000);
  if (values.seed !== undefined) options.seed = await readSeed(values.seed);
  return options;
}

function parse(args: string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        dir: text,
        latency: text,
        fabric: text,
        addresses: text,
        'wsapi-port': text,
        'ssh-port': text,
        user: text,
        password: text,
        os: text,
        seed: text,
        witness: text,
        'failover-delay': text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(option: string, text: string, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > max) throw new UsageError(`${option} takes a whole number from 0 to ${max}`);
  return number;
}

function parseFabric(text: string): FabricName {
  const name = FABRICS.find((each) => each === text);
  if (name === undefined) throw new UsageError(`--fabric is one of ${FABRICS.join(', ')}`);
  return name;
}

function parseAddresses(text: string): [string, string] {
  const [first, second, ...rest] = text.split(',');
  if (first === undefined || second === undefined || rest.length > 0 || !isIPv4(first) || !isIPv4(second)) {
    throw new UsageError('--addresses takes two IPv4 addresses, A,B');
  }
  if (first === second) throw new UsageError('--addresses: each array needs an address of its own');
  return [first, second];
}

function parseWitness(text: string): string {
  if (!isIPv4(text) && text !== 'none') throw new UsageError('--witness takes an IPv4 address, or none');
  return text;
}

function parseOs(text: string): string {
  if (!/^3\.[23]\.[0-9]$/.test(text)) throw new UsageError('--os takes a version such as 3.3.1');
  return text;
}

async function readSeed(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    throw new UsageError(`--seed ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
