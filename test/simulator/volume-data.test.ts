import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyData, createData, renewInode } from '../../src/simulator/volume-data.js';

const run = promisify(execFile);
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
  await writeFile(file, Buffer.alloc(MIB, 1));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe('the data of a host that is cut off while it writes', () => {
  it('is that of one moment, and its writes fail', async () => {
    await writeFile(file, Buffer.alloc(SIZE, 1));
    const device = (await run('losetup', ['--find', '--show', file])).stdout.trim();
    const writer = spawn(process.execPath, ['-e', WRITER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    writer.stdout.on('data', (data: Buffer) => (said += data.toString()));
    try {
      await once(writer.stdout, 'data');
      await renewInode(file);
      if (writer.exitCode === null) await once(writer, 'exit', { signal: AbortSignal.timeout(5_000) });
    } finally {
      writer.kill('SIGKILL');
      await run('losetup', ['--detach', device]);
    }
    const [first, last] = [await numberAt(0), await numberAt(SIZE - 8)];
    expect([last, last + 1n]).toContain(first);
    expect(said).toContain('EPERM');
  });
});

it('a file that no host has is renewed with what it held', async () => {
  const before = await open(file, 'r+');
  await renewInode(file);
  await before.write('to nobody', 0);
  await before.close();
  expect((await readFile(file)).equals(Buffer.alloc(MIB, 1))).toBe(true);
});

describe('a copy', () => {
  const inode = async (): Promise<number> => (await stat(`${file}.copy`)).ino;
  const copy = async (): Promise<void> => copyData(file, `${file}.copy`);
  const isRight = async (): Promise<boolean> => (await readFile(file)).equals(await readFile(`${file}.copy`));
  /** As if it had not been changed for some time. */
  const settle = async (): Promise<void> => utimes(file, new Date(), new Date(Date.now() - 5_000));

  it('is made anew when the file, or the copy itself, was written to, and otherwise not', async () => {
    await settle();
    await copy();
    const first = await inode();
    await copy();
    expect(await inode()).toBe(first);
    await writeAt(file, 'changed');
    await copy();
    expect(await isRight()).toBe(true);
    await settle();
    await copy();
    await writeAt(`${file}.copy`, 'disturbed');
    await copy();
    expect(await isRight()).toBe(true);
  });

  it('of a file that has just been written to is not trusted: a second write may bear the same time', async () => {
    const tick = new Date();
    await utimes(file, tick, tick);
    await copy();
    await writeAt(file, 'in the same tick');
    await utimes(file, tick, tick);
    await copy();
    expect(await isRight()).toBe(true);
  });

  it('of an empty file takes no space, and has its size', async () => {
    await createData(file, 3);
    await copy();
    expect(await stat(`${file}.copy`)).toMatchObject({ size: 3 * MIB, blocks: 0 });
  });
});

async function writeAt(name: string, text: string): Promise<void> {
  const handle = await open(name, 'r+');
  await handle.write(text, 0);
  await handle.close();
}

async function numberAt(offset: number): Promise<bigint> {
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, offset);
    return buffer.readBigUInt64LE();
  } finally {
    await handle.close();
  }
}
