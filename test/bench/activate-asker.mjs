/*
 * A process that asks for Plugin.Activate again and again, and tells how long each answer took, in milliseconds. One of its own: in that
 * of the clients it would measure, too, how long these keep it waiting. Arguments: the socket, and the pause between two questions in ms.
 */
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const [, , socketPath, pauseMs] = process.argv;

const ask = async () =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'POST', path: '/Plugin.Activate', agent: false }, (answer) => {
      answer.resume();
      answer.once('end', answer.statusCode === 200 ? resolve : () => reject(new Error(`HTTP ${answer.statusCode}`)));
    });
    call.once('error', reject);
    call.end();
  });

const over = new AbortController();
process.once('message', () => over.abort());
// Whoever started us is gone.
process.once('disconnect', () => over.abort());
await ask();
process.send('asking');
const took = [];
while (!over.signal.aborted) {
  const startMs = performance.now();
  await ask();
  took.push(performance.now() - startMs);
  await pause(Number(pauseMs));
}
if (process.connected) process.send(took, () => process.disconnect());
