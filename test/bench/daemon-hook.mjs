/*
 * Loaded before the product into the daemon that is measured (`node --import`): times the host's tools and what is asked of its file
 * systems (/proc and /sys, too, but for what it keeps for itself), and how late the event loop is; asked for by messages. Times are
 * milliseconds since 1970, so that other processes can compare them.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

let work = [];
const { spawn } = childProcess;
const now = () => performance.timeOrigin + performance.now();
childProcess.spawn = (...args) => {
  const call = { startMs: now() };
  const child = spawn(...args);
  child.once('close', () => work.push({ ...call, endMs: now(), isTool: true }));
  return child;
};

/** Journals and caches; the other folders there are mountpoints and the simulated fabric's. */
const stateDir = process.argv[process.argv.indexOf('--state-dir') + 1];
const isOwn = (file) =>
  typeof file === 'string' && file.startsWith(stateDir) && !/^\/(volumes|loopback)/.test(file.slice(stateDir.length));

/** Times a function of the file system, whether it returns at once or later. */
function timed(act) {
  return function (...args) {
    if (isOwn(args[0])) return act.apply(this, args);
    const startMs = now();
    const told = () => work.push({ startMs, endMs: now(), isTool: false });
    const answer = act.apply(this, args);
    if (typeof answer?.then === 'function') answer.then(told, told);
    else told();
    return answer;
  };
}
for (const place of [fs, files]) {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(place))) {
    if (typeof value === 'function' && (place === files || name.endsWith('Sync'))) place[name] = timed(value);
  }
}
syncBuiltinESMExports();

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();

const answers = {
  hostWork: () => {
    const taken = work;
    work = [];
    return taken;
  },
  loop: () => {
    // The histogram counts the interval of its own timer, too.
    const answer = { p99Ms: delay.percentile(99) / 1e6 - 5, maxMs: delay.max / 1e6 - 5 };
    delay.reset();
    return answer;
  },
};
process.on('message', ({ id, question }) => process.send({ id, answer: answers[question]() }));
// Whoever started us is gone, and nobody else would end us.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.channel?.unref();
