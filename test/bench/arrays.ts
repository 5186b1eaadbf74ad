import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlOf, type PairControl, type ReadyPair } from '../pair-client.js';

const PROGRAM = fileURLToPath(new URL('../../dist/simulator/main.js', import.meta.url));

/** A simulated pair that is a process of its own, so that it takes no time from whoever is measured. */
export interface Arrays {
  pair: ReadyPair;
  control: PairControl;
  fabricDir: string;
  close(): Promise<void>;
}

/** Needs `npm run build`. @param dir for everything that it keeps; has to be there */
export async function startArrays(dir: string): Promise<Arrays> {
  const seed = path.join(dir, 'seed.json');
  // Groups of both modes on one target, which no real array allows at the same time.
  await writeFile(seed, JSON.stringify({ mixedModes: 'accepted' }));
  const pairDir = path.join(dir, 'pair');
  const args = [PROGRAM, 'pair', '--dir', pairDir, '--fabric', 'loopback', '--seed', seed];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the simulator ended at its start with code ${code}`)));
  });
  const pair = JSON.parse(line) as ReadyPair;
  return {
    pair,
    control: controlOf(pair),
    fabricDir: path.join(pairDir, 'fabric'),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
