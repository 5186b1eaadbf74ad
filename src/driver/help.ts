import type { Backend } from '../backend/backend.js';
import type { BackendManager } from '../backend/manager.js';
import { Explanation } from '../domain/errors.js';
import { optionHelp } from '../domain/option-help.js';
import type { Side } from '../domain/replication.js';

const PREFACE =
  'This is no failure: it is the help that was asked for, and Docker shows the words of a volume plugin only as an error. No volume was made.';

/** What `-o help` answers. No array is asked, and no lock is taken. */
export function explain(topic: 'options' | 'backends', backends: BackendManager): Explanation {
  const lines = topic === 'options' ? optionHelp() : backends.all().flatMap(backendHelp);
  return new Explanation([PREFACE, ...lines]);
}

function backendHelp(backend: Backend): string[] {
  const arrays = backend.sides.map((side) => arrayHelp(backend, side));
  const state = ['failed', 'not asked yet'].find((each) => arrays.some((array) => array.state === each)) ?? 'ready';
  return [`${backend.name}: ${state}`, ...arrays.map(({ text }) => `  ${text}`)];
}

function arrayHelp(backend: Backend, side: Side): { state: string; text: string } {
  const array = backend.array(side);
  const contact = array.lastContact();
  if (contact === undefined) {
    const text = `${array.label}: not asked since this daemon started; its first volume connects to it`;
    return { state: 'not asked yet', text };
  }
  const age = `${Math.round((performance.now() - contact.at) / 1000)} s ago`;
  if (contact.failure === undefined) return { state: 'ready', text: `${array.label}: answered ${age}` };
  return { state: 'failed', text: `${array.label}: ${age}: ${contact.failure}` };
}
