import path from 'node:path';
import { backup, importMetadata, rebuild, restore } from '../../src/commands/metadata.js';
import type { Node } from '../harness.js';

const COMMANDS = { backup, rebuild, restore, 'import-metadata': importMetadata };

/** What the command prints when it is typed on that node; asks its daemon if it runs. */
export async function type(node: Node, ...words: [keyof typeof COMMANDS, ...string[]]): Promise<string[]> {
  const [command, ...rest] = words;
  const where = ['--state-dir', path.join(node.dir, 'state'), '--config', path.join(node.dir, 'hpe.conf')];
  return COMMANDS[command]([...rest, ...where]);
}

/** What was changed on the arrays since the log was cleared. */
export async function arrayChanges(node: Node): Promise<string[]> {
  return (await node.control.log())
    .filter(
      ({ protocol, method, path: at }) =>
        method !== 'GET' && protocol === 'wsapi' && at?.includes('/credentials') !== true,
    )
    .map(({ method, path: at }) => `${method} ${at ?? ''}`);
}
