import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { renewInode } from '../../src/simulator/volume-data.js';

const MIB = 1024 * 1024;
const SIZE = 192 * MIB;

/** Counts up, each number first at the start of the file and then at its end, until a write fails. */
const WRITER = `
  const fs = require('node:fs');
  const fd = fs.openSync(process.argv[1], 'r+');
  const number = Buffer.alloc(8);
  try {
    for (let n = 1n; ; n += 1n) {
      number.writeBigUInt64LE(n);
      fs.writeSync(fd, number, 0, 8, 0);
      fs.writeSync(fd, number, 0, 8, ${SIZE - 8});
      if (n === 1n) console.log('writing');
    }
  } catch (error) {
    console.log(error.code);
  }
`;

let dir: string;
let file: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'volume-data-'));
  file = path.join(dir, 'data');
  await writeFile(file, Buffer.alloc(SIZE, 1));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('the data of a host that is cut off while it writes', () => {
  it('is that of one moment, and its writes fail', async () => {
    const writer = spawn(process.execPath, ['-e', WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    writer.stdout.on('data', (data: Buffer) => (said += data.toString()));
    try {
      await once(writer.stdout, 'data');
      await renewInode(file);
      if (writer.exitCode === null) await once(writer, 'exit', { signal: AbortSignal.timeout(5_000) });
    } finally {
      writer.kill('SIGKILL');
    }
    const [first, last] = [await numberAt(0), await numberAt(SIZE - 8)];
    expect([last, last + 1n]).toContain(first);
    expect(said).toContain('EPERM');
  });
});

async function numberAt(offset: number): Promise<bigint> {
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, offset);
    return buffer.readBigUInt64LE();
  } finally {
    await handle.close();
  }
}
