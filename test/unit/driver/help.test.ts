import { describe, expect, it } from '@jest/globals';
import { Backend } from '../../../src/backend/backend.js';
import { BackendManager } from '../../../src/backend/manager.js';
import type { ArrayClient, Contact } from '../../../src/contracts/array.js';
import { RULES } from '../../../src/domain/option-rules.js';
import { OPTION_NAMES, OPTIONS } from '../../../src/domain/option-table.js';
import { explain } from '../../../src/driver/help.js';

/** An array of which only its label and its last contact may be asked. */
function array(label: string, contact?: Contact): ArrayClient {
  const told: Partial<ArrayClient> = { label, lastContact: () => contact };
  return new Proxy(told as ArrayClient, {
    get: (target, name) => {
      if (name === 'label' || name === 'lastContact') return target[name];
      throw new Error(`the array was asked for ${String(name)}`);
    },
  });
}

const now = performance.now();

describe('-o help', () => {
  it('says first that it is no failure, and that Docker shows it as one', () => {
    const [first] = explain('options', new BackendManager([])).lines;
    expect(first).toMatch(/^This is no failure: .* Docker shows .* only as an error\. No volume was made\.$/);
  });

  it('has a line with type, default and example for each option', () => {
    const { lines } = explain('options', new BackendManager([]));
    for (const name of OPTION_NAMES) {
      const { example, type, default: usual } = OPTIONS[name];
      const line = lines.filter((each) => each.startsWith(`  -o ${example} `));
      expect(line).toHaveLength(1);
      expect(line[0]).toContain(usual === undefined ? `(${type})` : `(${type}; default: ${usual})`);
    }
  });

  it('ends with the rules that are checked', () => {
    const { lines } = explain('options', new BackendManager([]));
    const at = lines.indexOf('Rules:');
    expect(lines.slice(at + 1, at + 1 + RULES.length)).toEqual(RULES.map(({ text }) => `  ${text}.`));
  });
});

describe('-o help=backends', () => {
  it('has the state of each backend and the reason, from the last call of each array', () => {
    const settings = (name: string) => ({ name, cpg: {}, snapCpg: {} });
    const good = array('array A', { at: now - 3_000 });
    const bad = array('array B', { at: now - 60_000, failure: 'array B cannot be reached; next: check the network' });
    const backends = new BackendManager([
      new Backend(settings('DEFAULT'), { primary: good, secondary: bad }),
      new Backend(settings('plain'), { primary: good }),
      new Backend(settings('new'), { primary: array('array C') }),
    ]);

    expect(explain('backends', backends).lines.slice(1)).toEqual([
      'DEFAULT: failed',
      '  array A: answered 3 s ago',
      '  array B: 60 s ago: array B cannot be reached; next: check the network',
      'plain: ready',
      '  array A: answered 3 s ago',
      'new: not asked yet',
      '  array C: not asked since this daemon started; its first volume connects to it',
    ]);
  });
});
