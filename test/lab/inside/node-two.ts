import type { Offered } from './agent.js';
import { eventually } from './command.js';
import { listenAddress } from './network.js';

const CALL_MS = 300_000;
const START_MS = 60_000;

/** The second node, whose agent does what it is asked for. */
export const nodeTwo: Offered = { docker: remote('docker'), host: remote('host') };

/** Waits until the second node can be asked. */
export async function nodeTwoIsThere(): Promise<void> {
  await eventually(async () => fetch(`http://${listenAddress(2)}/`), START_MS);
}

function remote<Name extends keyof Offered>(object: Name): Offered[Name] {
  return new Proxy({} as Offered[Name], {
    get:
      (_, method) =>
      async (...args: unknown[]): Promise<unknown> =>
        call(`${object}/${String(method)}`, args),
  });
}

/** @throws what was thrown there */
async function call(path: string, args: unknown[]): Promise<unknown> {
  const answer = await fetch(`http://${listenAddress(2)}/${path}`, {
    method: 'POST',
    body: JSON.stringify(args),
    signal: AbortSignal.timeout(CALL_MS),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`on the second node: ${text}`);
  return (JSON.parse(text) as { result?: unknown }).result;
}
