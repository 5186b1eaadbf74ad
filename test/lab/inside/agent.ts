import { createServer, type IncomingMessage } from 'node:http';
import { expectHealthyKernel, expectSame, hostInventory } from './checks.js';
import { eventually } from './command.js';
import { daemonWith } from './daemon.js';
import { docker } from './docker.js';

const LEFTOVERS_MS = 100_000;
const before = await hostInventory();

/** What the scenario, which runs on the first node, may have done here. */
const host = {
  async startDaemon(conf: string): Promise<void> {
    await daemonWith(conf).start();
  },
  async expectNothingLeft(): Promise<void> {
    await eventually(async () => expectSame(before, await hostInventory()), LEFTOVERS_MS);
    await expectHealthyKernel();
  },
};

const offered = { docker, host };
export type Offered = typeof offered;

/** `POST /OBJECT/METHOD` with the arguments; answers the result, or 500 and what was thrown. */
createServer((request, response) => {
  void answerTo(request).then(
    (result) => response.end(JSON.stringify({ result })),
    (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
  );
}).listen(...address(process.argv[2] ?? ''));

async function answerTo(request: IncomingMessage): Promise<unknown> {
  const [, object = '', method = ''] = (request.url ?? '').split('/');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const args = JSON.parse(Buffer.concat(chunks).toString()) as unknown[];
  const methods = offered[object as keyof Offered] as unknown as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >;
  const called = methods[method];
  if (called === undefined) throw new Error(`the second node does not know ${object}.${method}`);
  return called(...args);
}

function address(text: string): [port: number, host: string] {
  const [name = '', port = ''] = text.split(':');
  return [Number(port), name];
}
