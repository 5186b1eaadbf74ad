import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { BackendConfig } from '../../../src/config/config.js';
import { parseConfig } from '../../../src/config/config.js';
import { isHealthy } from '../../../src/doctor/finding.js';
import { examineHost, type ExaminedHost } from '../../../src/doctor/host.js';
import { createFcConnector } from '../../../src/host/fc.js';
import { createIscsiConnector } from '../../../src/host/iscsi.js';
import { findMultipathProblems, judgeMoves, parseMultipathConf } from '../../../src/host/multipath-conf.js';
import { FakeSanHost } from '../../fakes/san-host.js';

const captured = readFileSync(
  path.join(import.meta.dirname, '../../fixtures/san-output/multipathd-config.txt'),
  'utf8',
);
const never = AbortSignal.timeout(60_000);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function backends(driver: 'iscsi.HPE3PARISCSIDriver' | 'fc.HPE3PARFCDriver'): BackendConfig[] {
  const { config } = parseConfig(
    `[DEFAULT]
hpedockerplugin_driver = hpedockerplugin.hpe.hpe_3par_${driver}
hpe3par_api_url = https://10.0.0.1:8080/api/v1
hpe3par_username = u
hpe3par_password = p
hpe3par_cpg = c
hpe3par_iscsi_ips = 10.1.1.1
san_ip = 10.0.0.1
san_login = u
san_password = p
`,
    'hpe.conf',
  );
  return [...config.backends.values()];
}

const sound: ExaminedHost = {
  run: async () => Promise.resolve('version 1.2.3'),
  findProblems: async () => Promise.resolve([]),
  hasModule: async () => Promise.resolve(true),
};

const found = async (
  change: Partial<ExaminedHost>,
  driver: 'iscsi.HPE3PARISCSIDriver' | 'fc.HPE3PARFCDriver' = 'iscsi.HPE3PARISCSIDriver',
): Promise<string[]> => {
  const findings = await examineHost({ ...sound, ...change }, backends(driver));
  return findings.filter(({ id }) => id !== 'host-versions').map(({ id }) => id);
};

/** A host where multipathd says that, and everything else is well. */
const multipathd = async (text: string, failure?: { exitCode?: number; reason?: string }): Promise<string[]> => {
  const host = new FakeSanHost('/dev/null');
  try {
    host.failures.set('multipathd show config', { stdout: text });
    if (failure !== undefined) host.failures.set('multipathd show daemon', failure);
    return await found({
      findProblems: async () => findMultipathProblems(host.run, { movesBetweenArrays: false }, never),
    });
  } finally {
    host.close();
  }
};

describe('what is wrong with a host', () => {
  it('is nothing on a sound one, and its versions are no fault', async () => {
    const findings = await examineHost(sound, backends('iscsi.HPE3PARISCSIDriver'));
    expect(findings.map(({ id }) => id)).toEqual(['host-versions']);
    expect(findings[0]?.seen).toContain('iscsiadm 1.2.3');
    expect(isHealthy(findings)).toBe(true);
    expect(await multipathd(captured)).toEqual([]);
  });

  it.each([
    ['host-tool', 'iscsiadm'],
    ['host-tool', 'multipath'],
    ['host-tool', 'mkfs.ext4'],
    ['host-tool-xfs', 'mkfs.xfs'],
    ['host-prefix', 'cat'],
  ])('is %s when there is no %s', async (id, missing) => {
    const run = async (tool: string) => Promise.resolve(tool === missing ? undefined : 'version 1.2.3');
    expect(await found({ run })).toEqual([id]);
  });

  it('asks for the tools of its protocol only', async () => {
    const run = async (tool: string) => Promise.resolve(tool === 'iscsiadm' ? undefined : 'version 1.2.3');
    expect(await found({ run }, 'fc.HPE3PARFCDriver')).toEqual([]);
  });

  it.each(['dm_multipath', 'iscsi_tcp'])('is host-module when the kernel has no %s', async (missing) => {
    expect(await found({ hasModule: async (name) => Promise.resolve(name !== missing) })).toEqual(['host-module']);
  });

  it.each([
    ['host-find-multipaths', 'find_multipaths "off"', 'find_multipaths "strict"'],
    ['host-multipath-device', 'vendor "3PARdata"', 'vendor "OTHER"'],
    ['host-multipath-blacklist', 'devnode "^(vd|loop|ram|sr|fd)"', 'devnode "^sd"'],
    ['host-multipath-queue', 'no_path_retry 18', 'no_path_retry queue'],
  ])('is %s when multipathd has %s changed to %s', async (id, from, to) => {
    expect(captured).toContain(from);
    expect(await multipathd(captured.replace(from, to))).toEqual([id]);
  });

  it('is host-multipath-setting when the device section is changed', async () => {
    const at = captured.indexOf('3PARdata');
    const changed = captured.slice(0, at) + captured.slice(at).replace('failback "immediate"', 'failback "manual"');
    expect(await multipathd(changed)).toEqual(['host-multipath-setting']);
  });

  it('is host-multipath-setting when what peer persistence needs is changed', async () => {
    for (const order of [{ hardware_handler: '0' }, { no_path_retry: 'fail' }]) {
      const settings = Object.entries({ hardware_handler: '1 alua', no_path_retry: '18', ...order });
      const device = [
        'device {',
        'vendor "3PARdata"',
        'product "VV"',
        ...settings.map(([key, value]) => `${key} "${value}"`),
        '}',
      ];
      const problems = judgeMoves(parseMultipathConf(['devices {', ...device, '}'].join('\n')));
      expect(problems).toHaveLength(1);
      expect(await found({ findProblems: async () => Promise.resolve(problems) })).toEqual(['host-multipath-setting']);
    }
  });

  it('is host-multipathd when it is not installed, or does not answer', async () => {
    expect(await multipathd(captured, { exitCode: 127 })).toEqual(['host-multipathd']);
    expect(await multipathd(captured, { exitCode: 1 })).toEqual(['host-multipathd']);
  });

  it('is host-unknown when its settings cannot be looked at, or a connector says what has no id yet', async () => {
    const told: string[][] = [];
    for (const findProblems of [
      async () => Promise.resolve(['the moon is full; next: wait']),
      async () => Promise.reject(new Error('no answer')),
    ])
      told.push(await found({ findProblems }));
    expect(told).toEqual([['host-unknown'], ['host-unknown']]);
  });

  it('is host-initiator-name, and host-iscsid where none listens', async () => {
    const host = new FakeSanHost('/dev/null');
    const { run, stateDir, sysRoot, devRoot } = host;
    const options = {
      run,
      stateDir,
      sysRoot,
      devRoot,
      usesMultipath: false,
      minimumPaths: 1,
      chap: false,
      logger: silent,
    };
    const findProblems = async (): Promise<string[]> => createIscsiConnector(options).findProblems(never);
    const hasIscsid = readFileSync('/proc/net/unix', 'utf8').includes('@ISCSIADM_ABSTRACT_NAMESPACE');
    const daemon = hasIscsid ? [] : ['host-iscsid'];
    expect(await found({ findProblems })).toEqual(daemon);
    host.failures.set('cat /etc/iscsi/initiatorname.iscsi', { exitCode: 1 });
    expect(await found({ findProblems })).toEqual(['host-initiator-name', ...daemon]);
    host.close();
  });

  it('is host-fc-port without an HBA, and host-fc-scan where the kernel scans and both copies have one WWN', async () => {
    const host = new FakeSanHost('/dev/null');
    const { run, stateDir, sysRoot, devRoot } = host;
    const options = {
      run,
      stateDir,
      sysRoot,
      devRoot,
      usesMultipath: false,
      minimumPaths: 1,
      equalWwns: true,
      logger: silent,
    };
    const findProblems = async (): Promise<string[]> => createFcConnector(options).findProblems(never);
    host.setScanMode('manual');
    expect(await found({ findProblems }, 'fc.HPE3PARFCDriver')).toEqual(['host-fc-port']);
    host.addRemotePort(3, { hba: '1000000000000001', port: '20110002ac000001' });
    expect(await found({ findProblems }, 'fc.HPE3PARFCDriver')).toEqual([]);
    host.setScanMode('sync');
    expect(await found({ findProblems }, 'fc.HPE3PARFCDriver')).toEqual(['host-fc-scan']);
    host.close();
  });
});
