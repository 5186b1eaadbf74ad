import type { ArrayCpg } from '../contracts/array.js';
import { segment } from './paths.js';
import { cpgAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** NON_EXISTENT_CPG (reference 2.2) */
const NON_EXISTENT_CPG = 15;

export async function findCpg(wsapi: Wsapi, name: string, signal: AbortSignal): Promise<ArrayCpg | undefined> {
  const read = { path: `cpgs/${segment(name)}`, schema: cpgAnswer, absent: [NON_EXISTENT_CPG] };
  return wsapi.find(read, signal);
}
