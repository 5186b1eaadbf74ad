import type { BrokenFile } from './broken-file.js';

/** What can be wrong within replication_device. */
export const brokenReplication: BrokenFile[] = [
  {
    name: 'a sub-key that is not indented',
    edits: [[/\n +cpg_map/, '\ncpg_map']],
    messages: [
      ':14: [DEFAULT] replication_device.hpe3par_api_url: is missing; fix: add the line "hpe3par_api_url:https://10.0.0.1:8080/api/v1,"',
      ':14: [DEFAULT] replication_device.san_ip: is missing; fix: add the line "san_ip:10.0.0.1,"',
      ':14: [DEFAULT] replication_device.hpe3par_iscsi_ips: is missing; fix: add the line "hpe3par_iscsi_ips:10.1.1.1,"',
      ':14: [DEFAULT] replication_device.cpg_map: is missing; fix: add the line "cpg_map:SOURCE_CPG:TARGET_CPG,"',
      ':14: [DEFAULT] replication_device.snap_cpg_map: is missing; fix: add the line "snap_cpg_map:FC_r6s:TARGET_CPG,", with the CPG for snapshots on each array',
      ':16: [DEFAULT] cpg_map: the key belongs to replication_device; fix: write cpg_map:… within replication_device, on a line that is indented',
    ],
  },
  {
    name: 'a portal that is none',
    edits: [['10.1.1.1;10.1.1.2', '10.1.1.1;10.1.1']],
    messages: [
      ':24: [DEFAULT] replication_device.hpe3par_iscsi_ips: "10.1.1" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 3260 if it is not given',
    ],
  },
  {
    name: 'two portals that are none',
    edits: [['10.1.1.1;10.1.1.2', '10.1.1;10.1.1.2;10.2']],
    messages: [
      ':24: [DEFAULT] replication_device.hpe3par_iscsi_ips: "10.1.1" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 3260 if it is not given',
      ':24: [DEFAULT] replication_device.hpe3par_iscsi_ips: "10.2" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 3260 if it is not given',
    ],
  },
  {
    name: 'iSCSI without portals of the secondary array',
    edits: [[',\n                     hpe3par_iscsi_ips:10.1.1.1;10.1.1.2', '']],
    messages: [
      ':14: [DEFAULT] replication_device.hpe3par_iscsi_ips: is missing; fix: add the line "hpe3par_iscsi_ips:10.1.1.1,"',
    ],
  },
  {
    name: 'no backend_id',
    edits: [['backend_id:targetArray,\n', '\n']],
    messages: [':14: [DEFAULT] replication_device.backend_id: is missing; fix: add the line "backend_id:TARGET,"'],
  },
  {
    name: 'a misspelt mode',
    edits: [['mode:synchronous', 'mode:sinchronous']],
    messages: [
      ':15: [DEFAULT] replication_device.replication_mode: "sinchronous" is none of the possible words; fix: write synchronous, asynchronous or streaming',
    ],
  },
  {
    name: 'no mode',
    edits: [[/ +replication_mode.*\n/, '']],
    messages: [
      ':14: [DEFAULT] replication_device.replication_mode: is missing; fix: add the line "replication_mode:synchronous,"',
    ],
  },
  {
    name: 'no cpg_map',
    edits: [[/ +cpg_map.*\n/, '']],
    messages: [
      ':14: [DEFAULT] replication_device.cpg_map: is missing; fix: add the line "cpg_map:SOURCE_CPG:TARGET_CPG,"',
    ],
  },
  {
    name: 'no snap_cpg_map',
    edits: [[/ +snap_cpg_map.*\n/, '']],
    messages: [
      ':14: [DEFAULT] replication_device.snap_cpg_map: is missing; fix: add the line "snap_cpg_map:FC_r6s:FC_r1,", with the CPG for snapshots on each array',
    ],
  },
  {
    name: 'a pair with one CPG',
    edits: [['cpg_map:FC_r6:FC_r1,', 'cpg_map:FC_r6,']],
    messages: [
      ':16: [DEFAULT] replication_device.cpg_map: "FC_r6" is not SOURCE_CPG:TARGET_CPG; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
    ],
  },
  {
    name: 'a pair of three',
    edits: [['cpg_map:FC_r6:FC_r1,', 'cpg_map:FC_r6:FC_r1:FC_r5,']],
    messages: [
      ':16: [DEFAULT] replication_device.cpg_map: "FC_r6:FC_r1:FC_r5" is not SOURCE_CPG:TARGET_CPG; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
    ],
  },
  {
    name: 'two pairs that are none',
    edits: [['cpg_map:FC_r6:FC_r1,', 'cpg_map:FC_r5 FC_r6:FC_r1 FC_r6:FC_r2 A:B:C,']],
    messages: [
      ':16: [DEFAULT] replication_device.cpg_map: "FC_r5" is not SOURCE_CPG:TARGET_CPG; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
      ':16: [DEFAULT] replication_device.cpg_map: "FC_r5 …" maps FC_r6 twice; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
      ':16: [DEFAULT] replication_device.cpg_map: "A:B:C" is not SOURCE_CPG:TARGET_CPG; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
    ],
  },
  {
    name: 'a CPG mapped twice',
    edits: [['cpg_map:FC_r6:FC_r1,', 'cpg_map:FC_r6:FC_r1 FC_r6:FC_r5,']],
    messages: [
      ':16: [DEFAULT] replication_device.cpg_map: "FC_r6:FC_r1 …" maps FC_r6 twice; fix: write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
    ],
  },
  {
    name: 'no URL of the secondary array',
    edits: [[/ +hpe3par_api_url.*\n/, '']],
    messages: [
      ':14: [DEFAULT] replication_device.hpe3par_api_url: is missing; fix: add the line "hpe3par_api_url:https://10.0.0.1:8080/api/v1,"',
    ],
  },
  {
    name: 'no san_ip of the secondary array',
    edits: [[/ +san_ip.*\n/, '']],
    messages: [':14: [DEFAULT] replication_device.san_ip: is missing; fix: add the line "san_ip:10.0.0.1,"'],
  },
  {
    name: 'the same array twice',
    edits: [
      ['10.0.0.2:8080', '10.0.0.1:8080'],
      ['san_ip:10.0.0.2', 'san_ip:10.0.0.1'],
    ],
    messages: [
      ':18: [DEFAULT] replication_device.hpe3par_api_url: is the address of the primary array; fix: write the address of the secondary array',
      ':21: [DEFAULT] replication_device.san_ip: is the address of the primary array; fix: write the address of the secondary array',
    ],
  },
  {
    name: 'sync_period of a synchronous group',
    edits: [['synchronous,', 'synchronous,sync_period:900,']],
    messages: [
      ':15: [DEFAULT] replication_device.sync_period: has no meaning with replication_mode synchronous; fix: remove it, or write replication_mode:asynchronous',
    ],
  },
  {
    name: 'a sync_period too short',
    edits: [['synchronous,', 'asynchronous,sync_period:60,']],
    messages: [
      ':15: [DEFAULT] replication_device.sync_period: "60" is not from 300 to 31622400; fix: write a whole number of seconds from 300 to 31622400',
    ],
  },
  {
    name: 'a quorum witness of a group that is not synchronous',
    edits: [['synchronous,', 'asynchronous,quorum_witness_ip:10.0.0.3,']],
    messages: [
      ':15: [DEFAULT] replication_device.quorum_witness_ip: peer persistence is not possible with replication_mode asynchronous; fix: write replication_mode:synchronous, or remove quorum_witness_ip; the volumes are then replicated without automatic failover',
    ],
  },
  {
    name: 'a quorum witness that is no address',
    edits: [['synchronous,', 'synchronous,quorum_witness_ip:10.0.0,']],
    messages: [
      ':15: [DEFAULT] replication_device.quorum_witness_ip: "10.0.0" is neither an address nor a host name; fix: write an address such as 10.0.0.1, or a host name',
    ],
  },
  {
    name: 'a quorum witness with two WWNs',
    edits: [
      ['synchronous,', 'synchronous,quorum_witness_ip:10.0.0.3,'],
      ['san_login', 'secondary_wwn = different\nsan_login'],
    ],
    messages: [
      ':9: [DEFAULT] secondary_wwn: peer persistence (quorum_witness_ip) needs one WWN for both copies, so that they are one device; fix: write same, or leave it out; or remove quorum_witness_ip from replication_device',
    ],
  },
  {
    name: 'a quorum witness without multipath',
    edits: [
      ['synchronous,', 'synchronous,quorum_witness_ip:10.0.0.3,'],
      ['san_login', 'use_multipath = false\nsan_login'],
    ],
    messages: [
      ':9: [DEFAULT] use_multipath: one path cannot follow the volume from one array to the other, as peer persistence (quorum_witness_ip) wants it; fix: write true, or remove quorum_witness_ip from replication_device',
    ],
  },
  {
    name: 'a sub-key twice',
    edits: [['san_ip:10.0.0.2,', 'san_ip:10.0.0.2, san_ip:10.0.0.3,']],
    messages: [':21: [DEFAULT] replication_device.san_ip: the sub-key is there twice; fix: remove one of the two'],
  },
  {
    name: 'a misspelt sub-key',
    edits: [['snap_cpg_map:', 'snapcpg_map:']],
    messages: [
      ':14: [DEFAULT] replication_device.snap_cpg_map: is missing; fix: add the line "snap_cpg_map:FC_r6s:FC_r1,", with the CPG for snapshots on each array',
      ':17: [DEFAULT] replication_device.snapcpg_map: the sub-key is unknown; fix: did you mean snap_cpg_map?',
    ],
  },
  {
    name: 'an unknown sub-key',
    edits: [['san_ip:10.0.0.2,', 'san_ip:10.0.0.2,colour:red,']],
    messages: [
      ':21: [DEFAULT] replication_device.colour: the sub-key is unknown; fix: write key:value with a sub-key that hpe.conf.sample lists, or remove it; blanks separate the pairs of a map',
    ],
  },
  {
    name: 'a key of the section within replication_device',
    edits: [['san_ip:10.0.0.2,', 'san_ip:10.0.0.2,replication_strict:true,']],
    messages: [
      ':21: [DEFAULT] replication_device.replication_strict: the key has no meaning within replication_device; fix: write replication_strict = … on a line of its own, in the section',
    ],
  },
  {
    name: 'a stray word',
    edits: [['san_ip:10.0.0.2,', 'san_ip:10.0.0.2,oops,']],
    messages: [
      ':21: [DEFAULT] replication_device: a piece between two commas is not key:value; fix: write key:value with a sub-key that hpe.conf.sample lists, or remove it; blanks separate the pairs of a map',
    ],
  },
  {
    name: 'a missing comma on one line',
    edits: [['FC_r1,\n                     snap', 'FC_r1 snap']],
    messages: [
      ':14: [DEFAULT] replication_device.snap_cpg_map: is missing; fix: add the line "snap_cpg_map:FC_r6s:TARGET_CPG,", with the CPG for snapshots on each array',
      ':16: [DEFAULT] replication_device.cpg_map: snap_cpg_map stands in the middle of the value; fix: put a comma after the value, before snap_cpg_map',
    ],
  },
  {
    name: 'a missing comma behind a password',
    edits: [[',\n                     san_ip:', ' san_ip:']],
    messages: [
      ':14: [DEFAULT] replication_device.san_ip: is missing; fix: add the line "san_ip:10.0.0.1,"',
      ':20: [DEFAULT] replication_device.hpe3par_password: san_ip stands in the middle of the value; fix: put a comma after the value, before san_ip',
    ],
  },
  {
    name: 'a misspelt sub-key behind a password',
    edits: [
      ['#=:,\n', '#=:,snap_ip:10.0.0.2\n'],
      [/ +san_ip.*\n/, ''],
    ],
    messages: [
      ':14: [DEFAULT] replication_device.san_ip: is missing; fix: add the line "san_ip:10.0.0.1,"',
      ':20: [DEFAULT] replication_device.snap_ip: the sub-key is unknown; fix: did you mean san_ip?',
    ],
  },
];
