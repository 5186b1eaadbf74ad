import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ASKER = fileURLToPath(new URL('activate-asker.mjs', import.meta.url));
/** Between an answer and the next question. */
const PAUSE_MS = 5;

/**
 * Asks a daemon for Plugin.Activate all the time, from a process of its own, while the work goes on. Returns how long each answer
 * took, in ms, with what the work returns. @throws when one is not answered
 */
export async function askingActivate<T>(
  socketPath: string,
  work: () => Promise<T>,
): Promise<{ tookMs: number[]; done: T }> {
  const asker = fork(ASKER, [socketPath, String(PAUSE_MS)], { execArgv: [] });
  const said = async (): Promise<unknown> => {
    const ended = once(asker, 'exit').then(() => Promise.reject(new Error('Activate was not answered')));
    const [message] = (await Promise.race([once(asker, 'message'), ended])) as unknown[];
    return message;
  };
  try {
    await said();
    const done = await work();
    const told = said();
    asker.send('stop');
    return { tookMs: (await told) as number[], done };
  } finally {
    asker.kill();
  }
}
