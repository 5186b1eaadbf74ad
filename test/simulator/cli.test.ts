import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { formatGroup } from '../../src/simulator/cli-group-table.js';
import { setLink } from '../../src/simulator/outage.js';
import { setSyncHold, startGroup, stopGroup } from '../../src/simulator/replication.js';
import { makeReplicatedVolume, peerGroup, startArrays } from './cli-array.js';
import type { Arrays } from './cli-array.js';

let arrays: Arrays;

beforeEach(async () => {
  arrays = await startArrays();
});

afterEach(async () => {
  await arrays.close();
});

const rolesOf = () =>
  [arrays.a.getGroup('RCG1'), arrays.b.getGroup(peerGroup)].map(
    ({ role, roleReversed, state }) => `${role}${roleReversed ? '-rev' : ''} ${state}`,
  );

describe('showrcopy', () => {
  it('prints system, target, links and groups in plain tables', async () => {
    await makeReplicatedVolume(arrays);
    const [local, remote] = [arrays.a.getVolume('vol1').id, arrays.b.getVolume('vol1').id];
    expect((await arrays.operator.onA('showrcopy')).output.split('\n')).toEqual([
      '',
      'Remote Copy System Information',
      'Status: Started, Normal',
      '',
      'Target Information',
      '',
      'Name     ID Type Status Options Policy',
      'sim-b-rc  1 IP   ready  -       mirror_config',
      '',
      'Link Information',
      '',
      'Target   Node  Address    Status Options',
      'sim-b-rc 0:3:1 10.20.2.11 Up     -',
      'receive  0:3:1 receive    Up     -',
      '',
      'Group Information',
      '',
      'Name Target   Status  Role    Mode Options',
      'RCG1 sim-b-rc Started Primary Sync',
      '  LocalVV ID RemoteVV ID SyncStatus LastSyncTime',
      `  vol1     ${local} vol1      ${remote} Synced     NA`,
      '',
    ]);
  });

  it('prints the quorum witness of the target with -qw', async () => {
    expect(await arrays.operator.csvOnA('showrcopy -qw targets')).toContain(
      'Name,ID,Type,Status,Options,Policy,Witness-IP,Q-Status\nsim-b-rc,1,IP,ready,-,mirror_config,10.30.0.10,Started\n',
    );
  });

  it('prints groups as CSV, with the options of a periodic one quoted', async () => {
    await makeReplicatedVolume(arrays, 2);
    const [local, remote] = [arrays.a.getVolume('vol1').id, arrays.b.getVolume('vol1').id];
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`;
    const lines = (await arrays.operator.csvOnA('showrcopy groups RCG1')).split('\n').filter((line) => line !== '');
    expect(lines.slice(0, 3)).toEqual([
      'Remote Copy System Information',
      'Status: Started, Normal',
      'Group Information',
    ]);
    expect(lines[3]).toBe('Name,Target    ,Status  ,Role      ,Mode    ,Options');
    expect(lines[4]).toMatch(
      new RegExp(`^RCG1,sim-b-rc,Started,Primary,Periodic,"Last-Sync ${time} , Period 5m, auto_recover"$`),
    );
    expect(lines[5]).toBe(' ,LocalVV     ,ID  ,RemoteVV    ,ID  ,SyncStatus   ,LastSyncTime');
    expect(lines[6]).toMatch(new RegExp(`^ ,vol1,${local},vol1,${remote},Synced,${time}$`));
    expect(await arrays.operator.csvOnB('showrcopy groups')).toContain(
      `${peerGroup},sim-a-rc,Started,Secondary,Periodic`,
    );
  });

  it('pads the headings of CSV as the array does', () => {
    const options = 'Last-Sync 2014-03-05 10:19:42 CET , Period 5m, auto_recover,over_per_alert';
    const member = { localName: 'LXC.DATA01', localId: 2706, remoteName: 'LXC.DATA01', remoteId: 2718 };
    const group = {
      name: 'RCG.SVCTEST1',
      target: 'array-dr',
      status: 'Started',
      role: 'Primary',
      mode: 'Periodic',
      options,
      members: [{ ...member, syncStatus: 'Synced', lastSync: '2014-03-05 10:19:42 CET' }],
    };
    expect(formatGroup(group, { csv: true, bare: true })).toEqual([
      'Name        ,Target    ,Status  ,Role      ,Mode    ,Options',
      `RCG.SVCTEST1,array-dr,Started,Primary,Periodic,"${options}"`,
      ' ,LocalVV     ,ID  ,RemoteVV    ,ID  ,SyncStatus   ,LastSyncTime',
      ' ,LXC.DATA01,2706,LXC.DATA01,2718,Synced,2014-03-05 10:19:42 CET',
    ]);
  });

  it('shows a running synchronisation, a lost link and a missing group', async () => {
    await makeReplicatedVolume(arrays);
    await stopGroup(arrays.pair, arrays.a, 'RCG1');
    expect(await arrays.operator.csvOnA('showrcopy groups')).toContain('NotSynced');
    await setSyncHold(arrays.pair, true);
    await startGroup(arrays.pair, arrays.a, { name: 'RCG1', skipInitialSync: false });
    expect(await arrays.operator.csvOnA('showrcopy groups')).toContain('Syncing (99%)');
    await setLink(arrays.pair, false);
    expect(await arrays.operator.csvOnA('showrcopy links')).toContain('sim-b-rc,0:3:1,10.20.2.11,Down,-\n');
    expect(await arrays.operator.csvOnA('showrcopy targets')).toContain('sim-b-rc,1,IP,failed,-,mirror_config\n');
    expect(await arrays.operator.onA('showrcopy groups RCG9')).toEqual({
      output: 'Error: group matching RCG9 does not exist on the system\n',
      code: 1,
    });
  });
});

describe('remote copy commands', () => {
  const silent = { output: '', code: 0 };

  it('stop, fail over, recover and restore as an operator does, silently', async () => {
    await makeReplicatedVolume(arrays);
    await writeFile(arrays.a.dataFile({ name: 'vol1' }), 'from a', { flag: 'r+' });
    expect(await arrays.operator.onA('stoprcopygroup RCG1')).toEqual(silent);
    expect(rolesOf()).toEqual(['primary stopped', 'secondary stopped']);
    expect(await arrays.operator.onB(`setrcopygroup failover -f ${peerGroup}`)).toEqual(silent);
    expect(rolesOf()).toEqual(['primary stopped', 'primary-rev stopped']);
    expect(await arrays.operator.csvOnB('showrcopy groups')).toContain(
      `${peerGroup},sim-a-rc,Stopped,Primary-Rev,Sync\n`,
    );
    await writeFile(arrays.b.dataFile({ name: 'vol1' }), 'from b', { flag: 'r+' });
    expect(await arrays.operator.onB(`setrcopygroup recover -f -nostart ${peerGroup}`)).toEqual(silent);
    expect(rolesOf()).toEqual(['secondary-rev stopped', 'primary-rev stopped']);
    expect(await arrays.operator.onB(`startrcopygroup ${peerGroup}`)).toEqual(silent);
    expect(rolesOf()).toEqual(['secondary-rev started', 'primary-rev started']);
    expect(await arrays.operator.onB(`setrcopygroup restore -f -waittask ${peerGroup}`)).toEqual(silent);
    expect(rolesOf()).toEqual(['primary started', 'secondary started']);
    const data = await readFile(arrays.a.dataFile({ name: 'vol1' }));
    expect(data.subarray(0, 6).toString()).toBe('from b');
  });

  it('reverse changes both directions, or one of them', async () => {
    await makeReplicatedVolume(arrays);
    await arrays.operator.onA('stoprcopygroup -f RCG1');
    await arrays.operator.onA('setrcopygroup reverse -f -current RCG1');
    expect(rolesOf()).toEqual(['secondary-rev stopped', 'primary-rev stopped']);
    await arrays.operator.onA('setrcopygroup reverse -f -natural RCG1');
    expect(rolesOf()).toEqual(['secondary stopped', 'primary stopped']);
    await arrays.operator.onA('setrcopygroup reverse -f RCG1');
    expect(rolesOf()).toEqual(['primary stopped', 'secondary stopped']);
  });

  it('switchover moves a group with Peer Persistence and refuses any other', async () => {
    await makeReplicatedVolume(arrays);
    expect((await arrays.operator.onA('setrcopygroup switchover -f RCG1')).output).toMatch(
      /^Error: .*Peer Persistence/,
    );
    arrays.a.getGroup('RCG1').policies.pathManagement = true;
    expect(await arrays.operator.onA('setrcopygroup switchover -f RCG1')).toEqual(silent);
    expect(rolesOf()).toEqual(['secondary-rev started', 'primary-rev started']);
  });

  it('syncrcopy brings a periodic copy up to date', async () => {
    await makeReplicatedVolume(arrays, 2);
    await writeFile(arrays.a.dataFile({ name: 'vol1' }), 'newer', { flag: 'r+' });
    expect(await arrays.operator.onA('syncrcopy -w RCG1')).toEqual(silent);
    const data = await readFile(arrays.b.dataFile({ name: 'vol1' }));
    expect(data.subarray(0, 5).toString()).toBe('newer');
  });

  it('dismissrcopyvv takes a volume out of a stopped group, with its copy when asked', async () => {
    await makeReplicatedVolume(arrays);
    expect((await arrays.operator.onA('dismissrcopyvv -f -removevv vol1 RCG1')).output).toBe(
      'Error: group RCG1 is started\n',
    );
    await arrays.operator.onA('stoprcopygroup -f RCG1');
    expect(await arrays.operator.onA('dismissrcopyvv -f -keepsnap -removevv vol1 RCG1')).toEqual(silent);
    expect(arrays.a.getGroup('RCG1').members).toEqual([]);
    expect([...arrays.a.volumes.keys(), ...arrays.b.volumes.keys()]).toEqual(['vol1']);
  });

  it('setrcopygroup pol sets the policies of Peer Persistence on both arrays', async () => {
    await makeReplicatedVolume(arrays);
    await arrays.operator.onA('setrcopygroup pol auto_failover,path_management,auto_recover RCG1');
    await arrays.operator.onA('setrcopygroup pol no_auto_recover RCG1');
    for (const group of [arrays.a.getGroup('RCG1'), arrays.b.getGroup(peerGroup)]) {
      expect(group.policies).toMatchObject({ autoFailover: true, pathManagement: true, autoRecover: false });
    }
  });

  it.each([
    ['stoprcopygroup', 'Error: too few arguments. Usage: stoprcopygroup '],
    ['stoprcopygroup RCG1 RCG2', 'Error: Invalid argument RCG2. Usage: stoprcopygroup '],
    ['stoprcopygroup -x RCG1', 'Error: Invalid option -x. Usage: stoprcopygroup '],
    ['stoprcopygroup RCG1 -t', 'Error: option -t needs a value. Usage: stoprcopygroup '],
    ['stoprcopygroup -t elsewhere RCG1', 'Error: there is no remote copy target elsewhere'],
    ['stoprcopygroup RCG2', 'Error: group matching RCG2 does not exist on the system\n'],
    ['startrcopygroup RCG1', 'Error: group RCG1 is started already\n'],
    ['setrcopygroup upgrade -f RCG1', 'Error: Invalid subcommand upgrade. Usage: setrcopygroup '],
    ['setrcopygroup pol auto_recover', 'Error: too few arguments. Usage: setrcopygroup '],
    ['setrcopygroup pol active_active RCG1', 'Error: Invalid policy active_active. Usage: setrcopygroup '],
    ['setrcopygroup failover -f RCG1 RCG2', 'Error: Invalid argument RCG2. Usage: setrcopygroup '],
    ['showrcopy -qw groups', 'Error: Option -qw is for targets only. Usage: showrcopy '],
    ['setrcopygroup period 5m sim-b-rc RCG1', 'Error: subcommand period is not simulated. '],
    ['setrcopygroup mode periodic sim-b-rc RCG1', 'Error: subcommand mode is not simulated. '],
    ['setrcopygroup cpg -usr_cpg cpg-a sim-b-rc:cpg-b RCG1', 'Error: subcommand cpg is not simulated. '],
    ['setrcopygroup failover -natural RCG1', 'Error: Invalid option -natural for setrcopygroup failover\n'],
    ['setrcopygroup failover -f RCG1', 'Error: group RCG1 is primary on this system\n'],
    ['setrcopygroup restore -f RCG1', 'Error: role of group RCG1 was not previously switched\n'],
    ['dismissrcopyvv -f vol1', 'Error: too few arguments. Usage: dismissrcopyvv '],
    ['removevlun -f vol1 three node1', 'Error: Invalid LUN three\n'],
    ['removevlun -f vol1 3 node1 nowhere', 'Error: Invalid port nowhere\n'],
    ['removevlun -f vol1 3 node1 0:2:1', 'Error: VLUN vol1,3,node1,0:2:1 does not exist\n'],
    ['showrcopy everything', 'Error: Invalid subcommand everything. Usage: showrcopy '],
    ['showrcopy links RCG1', 'Error: Invalid argument RCG1\n'],
    ['showvv vol2', 'Error: volume vol2 does not exist\n'],
    ['showport 9:2:1', 'Error: port 9:2:1 does not exist\n'],
    ['showhost node2', 'Error: host does not exist: node2\n'],
    ['setclienv csvtable 2', 'Error: Invalid setting. Usage: setclienv '],
    ['StopRcopyGroup RCG1', 'invalid command name "StopRcopyGroup"\n'],
  ])('%s is an error and changes nothing', async (command, message) => {
    await makeReplicatedVolume(arrays);
    const { output, code } = await arrays.operator.onA(command);
    expect(output.slice(0, message.length)).toBe(message);
    expect(output.split('\n')).toHaveLength(2);
    expect(code).toBe(1);
    expect(rolesOf()).toEqual(['primary started', 'secondary started']);
    expect(arrays.a.vluns).toHaveLength(1);
  });
});

describe('volumes, hosts, ports and the system', () => {
  it('showvv shows shape and size, with -d whose it is', async () => {
    expect((await arrays.operator.onA('showvv')).output).toBe('no vv listed\n');
    await makeReplicatedVolume(arrays);
    const { id } = arrays.b.getVolume('vol1');
    expect(await arrays.operator.csvOnB('showvv vol1')).toBe(
      'Id,Name,Prov,Compr,Dedup,Type,CopyOf,BsId,Rd,-Detailed_State-,VSize\n' +
        `${id},vol1,tpvv,No,No,base,---,${id},RW,normal,512\n` +
        `${'-'.repeat(68)}\n` +
        '1,total,,,,,,,,,512\n',
    );
    arrays.a.getVolume('vol1').comment = 'made by "me", today';
    expect(await arrays.operator.csvOnA('showvv -d vol1')).toMatch(
      /^\d+,vol1,RW,cpg-a,cpg-a,60002AC0\w{24},[-0-9: ]+ UTC,"made by ""me"", today"$/m,
    );
    const everything = await arrays.operator.csvOnA('showvv');
    for (const pattern of ['vol*', '*', 'v?l1']) {
      expect(await arrays.operator.csvOnA(`showvv ${pattern}`)).toBe(everything);
    }
    for (const pattern of ['ol*', 'vol?1', 'vol1.*']) {
      expect(await arrays.operator.csvOnA(`showvv ${pattern}`)).toBe('no vv listed\n');
    }
    expect((await arrays.operator.onA('showvv')).output).toMatch(/^ *\d+ vol1 +tpvv .* RW normal +512$/m);
  });

  it('showvlun lists active VLUNs and templates, filtered; removevlun removes both', async () => {
    await makeReplicatedVolume(arrays);
    const initiator = 'iqn.1993-08.org.debian:01:node1';
    const both = await arrays.operator.csvOnA('showvlun');
    expect(both.indexOf('Active VLUNs')).toBeLessThan(both.indexOf('VLUN Templates'));
    expect(
      (await arrays.operator.csvOnA('setclienv nohdtot 1; showvlun -a -v vol1 -host node1 -l 3')).split('\n'),
    ).toEqual([
      'Active VLUNs',
      `3,vol1,node1,${initiator},0:2:1,host,active`,
      `3,vol1,node1,${initiator},1:2:1,host,active`,
      '',
    ]);
    expect(await arrays.operator.csvOnA('showvlun -t')).toContain('\n3,vol1,node1,----------------,---,host\n');
    expect(await arrays.operator.csvOnA('showvlun -v vol2')).toBe('no vluns listed\n');
    expect(await arrays.operator.onA('removevlun -f vol1 3 node1')).toEqual({ output: '', code: 0 });
    expect(arrays.a.vluns).toEqual([]);
    expect((await arrays.operator.onA('showvlun')).output).toBe('no vluns listed\n');
  });

  it('showhost shows where each path is logged in', async () => {
    await makeReplicatedVolume(arrays);
    const { id } = arrays.a.getHost('node1');
    const initiator = 'iqn.1993-08.org.debian:01:node1';
    const rows = [`${id},node1,Generic-ALUA,${initiator},0:2:1`, `${id},node1,Generic-ALUA,${initiator},1:2:1`];
    expect((await arrays.operator.csvOnA('showhost node1')).split('\n').slice(1, 3)).toEqual(rows);
    expect((await arrays.operator.onA('showhost')).output).toMatch(/^ {2,}iqn\S+ 1:2:1$/m);
  });

  it('showport, showsys, showversion and help describe the array', async () => {
    expect(await arrays.operator.csvOnA('showport')).toContain(
      '\n0:1:1,target,ready,2FF70002AC00B69E,20110002AC00B69E,host,FC,-\n',
    );
    expect((await arrays.operator.csvOnA('showport -iscsi')).split('\n')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^0:2:1,ready,10\.10\.1\.11,255/), '2,,,,,,,,,']),
    );
    expect((await arrays.operator.csvOnA('showport 0:2:1')).split('\n').slice(1)).toEqual([
      expect.stringMatching(/^0:2:1,target,ready,.*,iSCSI,10\.10\.1\.11$/),
      expect.stringMatching(/^-+$/),
      '1,,,,,,,',
      '',
    ]);
    expect(await arrays.operator.csvOnA('showport -iscsivlans')).toMatch(/^N:S:P,VLAN,IPAddr,.*\n-+\n0,,,,,,,,,\n$/);
    expect(await arrays.operator.csvOnA('showsys')).toMatch(/\n46750,sim-a,HP_3PAR 8400,1646750,2,0,/);
    expect((await arrays.operator.onA('showversion')).output).toMatch(/^Release version 3\.3\.1\n/);
    const { output } = await arrays.operator.onA('help');
    for (const command of ['showrcopy', 'stoprcopygroup', 'setrcopygroup', 'removevlun', 'setclienv', 'exit']) {
      expect(output).toContain(command);
    }
    expect((await arrays.operator.onA('help removevlun')).output).toMatch(/^removevlun .*<N:S:P>/);
  });
});
