import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A FUSE server that knows its root folder and nothing else. */
const SERVER = `
const { spawnSync } = require('node:child_process');
const { openSync, readSync, writeSync } = require('node:fs');
const [GETATTR, INIT, FORGET, ENOSYS] = [3, 26, 2, 38];
const fuse = openSync('/dev/fuse', 'r+');
const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
const { status } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'none', process.argv[1]], { stdio: [0, 1, 2, fuse] });
if (status !== 0) process.exit(1);
process.stdout.write('mounted');
const request = Buffer.alloc(1 << 20);
for (;;) {
  readSync(fuse, request);
  const opcode = request.readUInt32LE(4);
  if (opcode === FORGET) continue;
  const answer = Buffer.alloc(16 + (opcode === INIT ? 64 : opcode === GETATTR ? 104 : 0));
  answer.writeUInt32LE(answer.length);
  request.copy(answer, 8, 8, 16);
  if (opcode === INIT) {
    answer.writeUInt32LE(7, 16);
    answer.writeUInt32LE(31, 20);
    answer.writeUInt32LE(4096, 36);
  } else if (opcode === GETATTR) {
    answer.writeUInt32LE(1, 32);
    answer.writeUInt32LE(0o40755, 92);
    answer.writeUInt32LE(2, 96);
  } else answer.writeInt32LE(-ENOSYS, 4);
  writeSync(fuse, answer);
}`;

/**
 * Like a network file system whose server is gone: mounted at the folder, with a process that is in it, and every look at it
 * waits. @returns what ends all that
 */
export async function hungMount(folder: string): Promise<() => Promise<void>> {
  const server = spawn(process.execPath, ['-e', SERVER, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  const inside = spawn('sleep', ['1000'], { cwd: folder, stdio: 'ignore' });
  await once(inside, 'spawn');
  server.kill('SIGSTOP');
  return async () => {
    const ended = Promise.all([once(inside, 'exit'), once(server, 'exit')]);
    execFileSync('umount', ['--lazy', folder]);
    server.kill('SIGKILL');
    inside.kill('SIGKILL');
    await ended;
  };
}
