/*
 * Loaded before the product into the daemon that is measured (`node --import`): times the host's tools, and how late the
 * event loop is; asked for by messages. Times are milliseconds since 1970, so that other processes can compare them.
 */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

let tools = [];
const { spawn } = childProcess;
const now = () => performance.timeOrigin + performance.now();
childProcess.spawn = (...args) => {
  const call = { startMs: now() };
  const child = spawn(...args);
  child.once('close', () => tools.push({ ...call, endMs: now() }));
  return child;
};
syncBuiltinESMExports();

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();

const answers = {
  tools: () => {
    const taken = tools;
    tools = [];
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
