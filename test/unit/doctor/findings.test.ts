import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Backend } from '../../../src/backend/backend.js';
import type { BackendConfig } from '../../../src/config/config.js';
import { examine, type ExaminedArray } from '../../../src/doctor/array.js';
import { examineEtcd, type Member } from '../../../src/doctor/etcd.js';
import { about, describe as inWords, FINDINGS, sorted } from '../../../src/doctor/finding.js';
import { examinePair } from '../../../src/doctor/pair.js';
import { examineExports, judgeRecords, metadataOf, type Metadata } from '../../../src/doctor/records.js';
import { DriverError } from '../../../src/domain/errors.js';

const never = AbortSignal.timeout(60_000);
const portal = { host: '10.1.1.1', port: 3260 };
/** What of a configuration is looked at. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const backend = {
  name: 'DEFAULT',
  protocol: 'iscsi',
  primary: { cpg: 'c', cpgs: ['c'], snapCpg: 'c', tlsVerify: true, iscsiIps: [portal] },
  replication: { target: 't', mode: 'synchronous', cpgMap: new Map(), snapCpgMap: new Map() },
} as unknown as BackendConfig;

function array(client: Record<string, unknown>, more: Partial<ExaminedArray> = {}): ExaminedArray {
  const sound = {
    features: async () => Promise.resolve({ osVersion: '3.3.1.215' }),
    findCpg: async (name: string) => Promise.resolve({ name }),
    findHost: async () => Promise.resolve(undefined),
  };
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    client: { ...sound, ...client } as unknown as ExaminedArray['client'],
    ports: async () => Promise.resolve([{ name: 'iqn.x', portal }]),
    copyTargets: async () => Promise.resolve([]),
    commandLine: async () => Promise.resolve('3.3.1'),
    clockAheadMs: () => undefined,
    ...more,
  };
}

const idsOf = async (examined: ExaminedArray): Promise<string[]> => {
  const initiators = { protocol: 'iscsi' as const, names: ['iqn.mine'] };
  const reaches = async (): Promise<boolean> => Promise.resolve(true);
  const question = { backend, side: 'primary' as const, array: examined, initiators, seenPorts: [], reaches };
  return (await examine(question, never)).map(({ id }) => id);
};

const failing =
  (message: string, code: 'unavailable' | 'refused' = 'unavailable') =>
  async (): Promise<never> =>
    Promise.reject(new DriverError(code, message, { next: 'x' }));

describe('an array', () => {
  it('is sound, has initiators in several host entries, or no session left', async () => {
    expect(await idsOf(array({}))).toEqual([]);
    expect(await idsOf(array({ findHost: failing('they belong to several', 'refused') }))).toEqual([
      'array-host-entries',
    ]);
    expect(await idsOf(array({ features: failing('all its sessions are in use (POST /credentials)') }))).toEqual([
      'array-sessions',
    ]);
  });

  it('has a clock that is behind', async () => {
    expect(await idsOf(array({}, { clockAheadMs: () => -120_000 }))).toEqual(['array-clock']);
    expect(await idsOf(array({}, { clockAheadMs: () => -59_000 }))).toEqual([]);
  });
});

describe('a pair', () => {
  it('is told when the target is another array than the secondary', async () => {
    const identity = (systemId: number) => async () =>
      Promise.resolve({ name: `a${systemId}`, systemId, osVersion: '' });
    const primary = array(
      { identity: identity(1) },
      { copyTargets: async () => Promise.resolve([{ name: 't', systemId: 3 }]) },
    );
    const findings = await examinePair({ backend, primary, secondary: array({ identity: identity(2) }) }, never);
    expect(findings.map(({ id, seen }) => [id, seen])).toEqual([
      ['pair-target-elsewhere', 'target t is the array with system id 3, but the secondary array is a2 with 2'],
    ]);
  });
});

describe('a pair with peer persistence', () => {
  it('is told when the arrays have another witness, or none', async () => {
    const identity = (systemId: number) => async () => Promise.resolve({ name: 'a', systemId, osVersion: '' });
    const remoteCopy = (witness?: string) => ({
      findWitness: async () => Promise.resolve(witness),
      linksUp: async () => Promise.resolve(true),
      listGroups: async () => Promise.resolve([]),
    });
    const ids = async (witness?: string) => {
      const targets = { copyTargets: async () => Promise.resolve([{ name: 't', systemId: 2 }]) };
      const primary = array({ identity: identity(1), remoteCopy: remoteCopy(witness) }, targets);
      const secondary = array({ identity: identity(2), remoteCopy: remoteCopy() });
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const paired = {
        ...backend,
        replication: { ...backend.replication, quorumWitnessIp: '10.0.0.9' },
      } as BackendConfig;
      return (await examinePair({ backend: paired, primary, secondary }, never)).map(({ id }) => id);
    };
    expect(await ids('10.0.0.9')).toEqual([]);
    expect(await ids('10.0.0.8')).toEqual(['pair-witness']);
    expect(await ids()).toEqual(['pair-witness']);
  });
});

describe('etcd', () => {
  const up = (host: string, ms = 0): Member => ({
    host,
    ping: async () => new Promise((done) => setTimeout(done, ms)),
  });
  const down = (host: string): Member => ({ host, ping: failing(`etcd at ${host} does not answer`) });
  const ids = async (members: Member[], tls = true) => (await examineEtcd(members, tls)).map(({ id }) => id);

  it('is up, partly up, away, slow, or open to everybody', async () => {
    expect(await ids([up('10.0.0.1:2379'), up('10.0.0.2:2379')])).toEqual([]);
    expect(await ids([up('10.0.0.1:2379'), down('10.0.0.2:2379')])).toEqual(['etcd-member']);
    expect(await ids([down('10.0.0.1:2379'), down('10.0.0.2:2379')])).toEqual(['etcd-unreachable']);
    expect(await ids([up('10.0.0.1:2379', 150)])).toEqual(['etcd-slow']);
    expect(await ids([up('10.0.0.1:2379'), up('127.0.0.1:2379'), up('[::1]:2379')], false)).toEqual(['etcd-plain']);
    expect(await ids([up('127.0.0.1:2379'), up('[::1]:2379')], false)).toEqual([]);
  });
});

describe('the metadata', () => {
  it('have an operation that is not finished; one that is under way is no fault', () => {
    const operation = {
      id: '1',
      kind: 'remove',
      schema: 1 as const,
      node: 'n',
      volume: 'v1',
      keys: [],
      plan: null,
      facts: {},
      next: 0,
      phase: 'do' as const,
      startedAt: '2026-01-01T00:00:00Z',
    };
    const ids = (error?: string) => {
      const value = error === undefined ? operation : { ...operation, error };
      return judgeRecords(metadataOf([{ put: 'operation', key: 'v1', value }]), new Set()).map(({ id }) => id);
    };
    expect(ids()).toEqual([]);
    expect(ids('the secondary array is silent')).toEqual(['operation-open']);
  });
});

describe('exports', () => {
  it('rule 4: are left over where no attachment explains them; one of peer persistence explains those of both arrays', async () => {
    const volume = { name: 'v', arrayName: 'dcv-1', spec: { backend: 'DEFAULT' } };
    const attachment = { volume: 'v', side: 'primary', host: 'h1', peer: { host: 'h2' } };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const metadata = { ...metadataOf([]), volume: [volume], attachment: [attachment] } as unknown as Metadata;
    const left = async (side: 'primary' | 'secondary', host: string, active = false) => {
      const listVluns = async () => Promise.resolve([{ volume: 'dcv-1', host, lun: 1, active, port: undefined }]);
      const own = { name: 'DEFAULT', array: () => ({ label: side, inventory: { listVluns } }) };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      const parts = { backend: own as unknown as Backend, side, metadata, again: async () => Promise.resolve(now) };
      return (await examineExports(parts, never)).map(({ id }) => id);
    };
    let now = metadata;
    expect(await left('primary', 'h1')).toEqual([]);
    expect(await left('secondary', 'h2')).toEqual([]);
    expect(await left('secondary', 'h1')).toEqual(['export-left']);
    expect(await left('secondary', 'h1', true)).toEqual([]);
    // A Mount has made it since the metadata were read.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    now = { ...metadata, attachment: [{ ...attachment, host: 'h3' }] } as unknown as Metadata;
    expect(await left('primary', 'h3')).toEqual([]);
    expect(await left('primary', 'h4')).toEqual(['export-left']);
  });

  it('that go while the doctor looks (an Unmount) are not left over', async () => {
    const volume = { name: 'v', arrayName: 'dcv-1', spec: { backend: 'DEFAULT' } };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const metadata = { ...metadataOf([]), volume: [volume] } as unknown as Metadata;
    const seen = [[{ volume: 'dcv-1', host: 'h1', lun: 1, active: false, port: undefined }], []];
    const own = {
      name: 'DEFAULT',
      array: () => ({ label: 'a', inventory: { listVluns: async () => Promise.resolve(seen.shift()) } }),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const parts = { backend: own as unknown as Backend, side: 'primary' as const, metadata };
    expect(await examineExports({ ...parts, again: async () => Promise.resolve(metadata) }, never)).toEqual([]);
    expect(seen).toEqual([]);
  });
});

describe('findings', () => {
  it('each has a test that expects exactly it', () => {
    const texts = ['findings.test.ts', 'host.test.ts', 'surroundings.test.ts', '../../scenario/doctor.test.ts'].map(
      (file) => readFileSync(path.join(import.meta.dirname, file), 'utf8'),
    );
    // Alone in a list that is compared, or the id of a row of a table whose test does that.
    const isExpected = (id: string): boolean =>
      texts.some((text) => new RegExp(`\\['${id}'[,\\]]|toEqual\\(\\[\\s*'${id}'`).test(text));
    // They follow from, or bring along, another one: each is the second or the first of a list that is compared.
    const neverAlone = 'array-trust-unknown pair-links'.split(' ');
    const untested = Object.keys(FINDINGS).filter((id) => !isExpected(id));
    expect(untested).toEqual(neverAlone);
    for (const id of neverAlone) expect(texts.at(-1)).toContain(`'${id}'`);
  });

  it('are all explained in docs/doctor.md, with their severity', () => {
    const text = readFileSync(path.join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');
    const explained = [...text.matchAll(/^\| `([\w-]+)`\s*\| (\w+)/gm)].map(([, id, severity]) => [id, severity]);
    expect(explained).toEqual(Object.entries(FINDINGS));
  });

  it('come the worst first, each once, on one line each, and are counted', () => {
    const find = about('x');
    const bad = find('array-login', 'two\nlines\u001b[31m', 'mend it');
    const list = sorted([find('metadata-local', 'local', ''), find('etcd-slow', 'slow', 'wait'), bad, bad]);
    expect(inWords(list)).toEqual([
      'error   array-login: x: two lines [31m',
      '        fix: mend it',
      'warning etcd-slow: x: slow',
      '        fix: wait',
      'note    metadata-local: x: local',
      '1 error, 1 warning; 1 note',
    ]);
    expect(inWords([])).toEqual(['nothing is wrong']);
  });
});
