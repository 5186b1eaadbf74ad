import path from 'node:path';
import { z } from 'zod';
import type { Logger } from '../contracts/log.js';
import type { ProtectionMemories } from '../contracts/protection-memories.js';
import { readIfThere, writeDurably } from './durable-file.js';

const seen = z
  .object({
    at: z.string(),
    isProtected: z.boolean(),
    isAlone: z.boolean(),
    why: z.string(),
    missedAt: z.string().exactOptional(),
  })
  .exactOptional();
const shape = z.array(
  z.object({
    backend: z.string(),
    name: z.string(),
    at: z.string(),
    isProtected: z.boolean(),
    since: z.string(),
    seen: z.object({ primary: seen, secondary: seen }),
  }),
);

/** `<state-dir>/protection.json`. One that cannot be read is told, and counts as none: plans are more careful then. */
export function protectionFile(stateDir: string, logger: Pick<Logger, 'warn'>): ProtectionMemories {
  const file = path.join(stateDir, 'protection.json');
  return {
    async load() {
      try {
        const text = await readIfThere(file);
        return text === undefined ? [] : shape.parse(JSON.parse(text));
      } catch (error) {
        logger.warn('what was remembered of the protection of groups cannot be read; it begins anew', { file, error });
        return [];
      }
    },
    save: async (memories) => writeDurably(file, JSON.stringify(memories)),
  };
}
