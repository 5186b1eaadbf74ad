import { createInterface } from 'node:readline';
import { connectSoon } from './unix-socket.js';

/** QEMU's control socket. */
export interface Qmp {
  /** @throws what QEMU answers to a command that it refuses */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
}

interface Message {
  return?: unknown;
  error?: { desc: string };
}

/** Connects to the Unix socket as soon as QEMU has made it. */
export async function connectQmp(path: string, signal: AbortSignal): Promise<Qmp> {
  const socket = await connectSoon(path, signal);
  const waiting: ((message: Message) => void)[] = [];
  const lines = createInterface({ input: socket });
  lines.on('line', (line) => {
    const message = JSON.parse(line) as Message;
    // The greeting and events are no answers.
    if ('return' in message || 'error' in message) waiting.shift()?.(message);
  });
  const end = (): void => {
    for (const answer of waiting.splice(0)) answer({ error: { desc: 'QEMU has ended' } });
  };
  socket.on('close', end);
  lines.on('error', end);
  const execute: Qmp['execute'] = async (command, args = {}) => {
    if (socket.destroyed) throw new Error(`${command}: QEMU has ended`);
    const answer = new Promise<Message>((resolve) => waiting.push(resolve));
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const message = await answer;
    if (message.error !== undefined) throw new Error(`${command}: ${message.error.desc}`);
    return message.return;
  };
  await execute('qmp_capabilities');
  return { execute };
}
