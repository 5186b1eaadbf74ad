import type { BrokenFile } from './broken-file.js';

/** What can be wrong outside replication_device. */
export const brokenSections: BrokenFile[] = [
  {
    name: 'an empty file',
    edits: [[/[^]*/, '']],
    messages: [': [DEFAULT]: the section is missing; fix: add [DEFAULT] with its keys'],
  },
  {
    name: 'no section header',
    edits: [['[DEFAULT]\n', '']],
    messages: [':1: [DEFAULT]: a line stands before the first section; fix: put [DEFAULT] above it'],
  },
  {
    name: 'a header without its end',
    edits: [['[DEFAULT]', '[DEFAULT']],
    messages: [
      ":1: [?]: the section header cannot be read; fix: write [name] with letters, digits, blanks, '_', '.' and '-'",
    ],
  },
  {
    name: 'a section name that cannot be typed',
    edits: [[/$/, '[a/b]\nlogging = INFO\n']],
    messages: [
      ":25: [?]: the section header cannot be read; fix: write [name] with letters, digits, blanks, '_', '.' and '-'",
    ],
  },
  {
    name: 'DEFAULT in small letters',
    edits: [['[DEFAULT]', '[default]']],
    messages: [':1: [DEFAULT]: the section is missing; fix: write [DEFAULT] instead of [default]'],
  },
  {
    name: 'an indented header',
    edits: [[/$/, '  [two]\n']],
    messages: [
      ':25: [two]: the section header is indented, so it would continue the line above; fix: start it in the first column',
      ':25: [two] hpedockerplugin_driver: is missing; fix: add the line "hpedockerplugin_driver = hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver"',
      ':25: [two] hpe3par_api_url: is missing; fix: add the line "hpe3par_api_url = https://10.0.0.1:8080/api/v1"',
      ':25: [two] hpe3par_username: is missing; fix: add the line "hpe3par_username = USER"',
      ':25: [two] hpe3par_password: is missing; fix: add the line "hpe3par_password = PASSWORD"',
      ':25: [two] san_ip: is missing; fix: add the line "san_ip = 10.0.0.1"',
      ':25: [two] san_password: is missing; fix: add the line "san_password = PASSWORD"',
      ':25: [two] hpe3par_cpg: is missing; fix: add the line "hpe3par_cpg = FC_r6"',
    ],
  },
  {
    name: 'an indented line after a header',
    edits: [['logging', '  logging']],
    messages: [
      ':2: [DEFAULT]: the line is indented, but there is nothing above it that it could continue; fix: start it in the first column',
    ],
  },
  {
    name: 'a line without a separator',
    edits: [['logging = INFO', 'logging INFO']],
    messages: [
      ':2: [DEFAULT]: the line is neither a [section] nor a key with a value; fix: write key = value, put # before a comment, or indent the line if it continues the value above',
    ],
  },
  {
    name: 'an unknown key',
    edits: [['logging', 'log_colour']],
    messages: [':2: [DEFAULT] log_colour: the key is unknown; fix: remove it; hpe.conf.sample lists all keys'],
  },
  {
    name: 'a misspelt key',
    edits: [['san_login', 'san_logn']],
    messages: [':9: [DEFAULT] san_logn: the key is unknown; fix: did you mean san_login?'],
  },
  {
    name: 'a key in capitals',
    edits: [['hpe3par_cpg', 'HPE3PAR_CPG']],
    messages: [
      ':1: [DEFAULT] hpe3par_cpg: is missing; fix: add the line "hpe3par_cpg = FC_r6"',
      ':11: [DEFAULT] HPE3PAR_CPG: the key is unknown; fix: did you mean hpe3par_cpg?',
    ],
  },
  {
    name: 'a required key missing',
    edits: [['hpe3par_api_url = https://10.0.0.1:8080/api/v1\n', '']],
    messages: [
      ':1: [DEFAULT] hpe3par_api_url: is missing; fix: add the line "hpe3par_api_url = https://10.0.0.1:8080/api/v1"',
    ],
  },
  {
    name: 'a required key empty',
    edits: [['san_password = hush-2', 'san_password =']],
    messages: [':10: [DEFAULT] san_password: has no value; fix: write "san_password = PASSWORD"'],
  },
  {
    name: 'no driver',
    edits: [[/hpedockerplugin_driver.*\n/, '']],
    messages: [
      ':1: [DEFAULT] hpedockerplugin_driver: is missing; fix: add the line "hpedockerplugin_driver = hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver"',
    ],
  },
  {
    name: 'the LeftHand driver',
    edits: [['hpe.hpe_3par_iscsi.HPE3PARISCSIDriver', 'hpe.hpe_lefthand_iscsi.HPELeftHandISCSIDriver']],
    messages: [
      ':4: [DEFAULT] hpedockerplugin_driver: "hpedockerplugin.hpe.hpe_lefthand_iscsi.HPELeftHandISCSIDriver" is not a driver for 3PAR block volumes; fix: write hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver or hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver',
    ],
  },
  {
    name: 'a driver that does not exist',
    edits: [['hpe.hpe_3par_iscsi.HPE3PARISCSIDriver', 'hpe.nvme']],
    messages: [
      ':4: [DEFAULT] hpedockerplugin_driver: "hpedockerplugin.hpe.nvme" names neither the iSCSI nor the Fibre Channel driver; fix: write hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver or hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver',
    ],
  },
  {
    name: 'a logging level that does not exist',
    edits: [['INFO', 'LOUD']],
    messages: [
      ':2: [DEFAULT] logging: "LOUD" is none of the possible words; fix: write debug, info, warning, warn, error or critical',
    ],
  },
  {
    name: 'a comment behind a value',
    edits: [['INFO', 'INFO # not DEBUG']],
    messages: [
      ':2: [DEFAULT] logging: "INFO # not DEBUG" is none of the possible words (a comment needs a line of its own); fix: write debug, info, warning, warn, error or critical',
    ],
  },
  {
    name: 'a URL without https',
    edits: [['https://10.0.0.1', 'http://10.0.0.1']],
    messages: [
      ':5: [DEFAULT] hpe3par_api_url: "http://10.0.0.1:8080/api/v1" does not begin with https://; fix: write https://ADDRESS:8080/api/v1, with the port that showwsapi shows on the array',
    ],
  },
  {
    name: 'a URL that is none',
    edits: [['https://10.0.0.1:8080/api/v1', '10.0.0.1']],
    messages: [
      ':5: [DEFAULT] hpe3par_api_url: "10.0.0.1" is not a URL; fix: write https://ADDRESS:8080/api/v1, with the port that showwsapi shows on the array',
    ],
  },
  {
    name: 'a URL without its path',
    edits: [['10.0.0.1:8080/api/v1', '10.0.0.1:8080']],
    messages: [
      ':5: [DEFAULT] hpe3par_api_url: "https://10.0.0.1:8080" does not end in /api/v1; fix: write https://ADDRESS:8080/api/v1, with the port that showwsapi shows on the array',
    ],
  },
  {
    name: 'a URL with credentials',
    edits: [['https://10.0.0.1', 'https://u:hush@10.0.0.1']],
    messages: [
      ':5: [DEFAULT] hpe3par_api_url: "https://***@10.0.0.1:8080/api/v1" holds a user name or a password; fix: write https://ADDRESS:8080/api/v1, with the port that showwsapi shows on the array',
    ],
  },
  {
    name: 'an address that is none',
    edits: [['san_ip = 10.0.0.1', 'san_ip = 10.0.0.256']],
    messages: [
      ':8: [DEFAULT] san_ip: "10.0.0.256" is neither an address nor a host name; fix: write an address such as 10.0.0.1, or a host name',
    ],
  },
  {
    name: 'a port out of range',
    edits: [['san_login', 'san_ssh_port = 99999\nsan_login']],
    messages: [':9: [DEFAULT] san_ssh_port: "99999" is not from 1 to 65535; fix: write a whole number from 1 to 65535'],
  },
  {
    name: 'a time that is no number',
    edits: [['san_login', 'ssh_conn_timeout = 30s\nsan_login']],
    messages: [
      ':9: [DEFAULT] ssh_conn_timeout: "30s" is not a whole number; fix: write a whole number of seconds from 1 to 600',
    ],
  },
  {
    name: 'a boolean that is none',
    edits: [['san_login', 'hpe3par_tls_verify = maybe\nsan_login']],
    messages: [':9: [DEFAULT] hpe3par_tls_verify: "maybe" is neither true nor false; fix: write true or false'],
  },
  {
    name: 'a fingerprint cut short',
    edits: [['san_login', 'hpe3par_fingerprint = 0011\nsan_login']],
    messages: [
      ':9: [DEFAULT] hpe3par_fingerprint: "0011" is not a SHA-256 fingerprint; fix: write 64 hex digits, with or without colons',
    ],
  },
  {
    name: 'a relative path',
    edits: [['san_login', 'hpe3par_ca_file = ca.pem\nsan_login']],
    messages: [':9: [DEFAULT] hpe3par_ca_file: "ca.pem" is not an absolute path; fix: write the path from / on'],
  },
  {
    name: 'etcd with half a client certificate',
    edits: [['logging', 'host_etcd_client_cert = /c.pem\nlogging']],
    messages: [
      ':1: [DEFAULT] host_etcd_client_key: is missing; fix: add the file with the key of host_etcd_client_cert',
    ],
  },
  {
    name: 'an etcd address that is none',
    edits: [['10.0.0.9', '10.0.0.9,etcd:x']],
    messages: [
      ':3: [DEFAULT] host_etcd_ip_address: "etcd:x" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 2379 if it is not given',
    ],
  },
  {
    name: 'a docker_timeout too short to do anything',
    edits: [['logging', 'docker_timeout = 5\nlogging']],
    messages: [
      ':2: [DEFAULT] docker_timeout: "5" is not from 15 to 3600; fix: write a whole number of seconds from 15 to 3600',
    ],
  },
  {
    name: 'two etcd addresses that are none',
    edits: [['10.0.0.9', '10.0.0,10.0.0.9,etcd:x']],
    messages: [
      ':3: [DEFAULT] host_etcd_ip_address: "10.0.0" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 2379 if it is not given',
      ':3: [DEFAULT] host_etcd_ip_address: "etcd:x" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 2379 if it is not given',
    ],
  },
  {
    name: 'a comment behind an address',
    edits: [['10.0.0.9', '10.0.0,10.0.0.9 # (not 10.0.0.8)']],
    messages: [
      ':3: [DEFAULT] host_etcd_ip_address: "10.0.0" is not ADDRESS[:PORT] (a comment needs a line of its own); fix: write ADDRESS[:PORT], several separated by commas; the port is 2379 if it is not given',
      ':3: [DEFAULT] host_etcd_ip_address: "#" is not ADDRESS[:PORT] (a comment needs a line of its own); fix: write ADDRESS[:PORT], several separated by commas; the port is 2379 if it is not given',
    ],
  },
  {
    name: 'a portal that swallowed what is left of a password',
    edits: [[/= 10\.1\.0\.1\n/, '= 10.1.0.1assword = hush!1 hush!2\n']],
    messages: [
      ':13: [DEFAULT] hpe3par_iscsi_ips: "=" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 3260 if it is not given',
    ],
  },
  {
    name: 'a portal called like a password',
    edits: [[/= 10\.1\.0\.1\n/, '= passwd hush!1 hush!2\n']],
    messages: [
      ':13: [DEFAULT] hpe3par_iscsi_ips: "***" is not ADDRESS[:PORT]; fix: write ADDRESS[:PORT], several separated by commas; the port is 3260 if it is not given',
    ],
  },
  {
    name: 'two CPG names that are none',
    edits: [['hpe3par_cpg = FC_r6', 'hpe3par_cpg = FC r6, FC_r5, FC/r1']],
    messages: [
      ':11: [DEFAULT] hpe3par_cpg: "FC r6" is not the name of a CPG; fix: write names of CPGs (at most 31 letters, digits, _, . and -), separated by commas',
      ':11: [DEFAULT] hpe3par_cpg: "FC/r1" is not the name of a CPG; fix: write names of CPGs (at most 31 letters, digits, _, . and -), separated by commas',
    ],
  },
  {
    name: 'the driver of File Persona',
    edits: [['hpe.hpe_3par_iscsi.HPE3PARISCSIDriver', 'hpe.hpe_3par_file.HPE3PARFileDriver']],
    messages: [
      ':4: [DEFAULT] hpedockerplugin_driver: "hpedockerplugin.hpe.hpe_3par_file.HPE3PARFileDriver" is not a driver for 3PAR block volumes; fix: write hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver or hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver',
    ],
  },
  {
    name: 'a CPG name with a blank',
    edits: [['= FC_r6\n', '= FC r6\n']],
    messages: [
      ':11: [DEFAULT] hpe3par_cpg: "FC r6" is not the name of a CPG; fix: write names of CPGs (at most 31 letters, digits, _, . and -), separated by commas',
    ],
  },
  {
    name: 'a key indented by mistake',
    edits: [['san_login =', '  san_login =']],
    messages: [
      ':8: [DEFAULT] san_ip: san_login stands in the middle of the value; fix: start san_login in the first column of a line of its own',
    ],
  },
  {
    name: 'an indented password',
    edits: [['hpe3par_password =', '  hpe3par_password =']],
    messages: [
      ':1: [DEFAULT] hpe3par_password: is missing; fix: add the line "hpe3par_password = PASSWORD"',
      ':6: [DEFAULT] hpe3par_username: hpe3par_password stands in the middle of the value; fix: start hpe3par_password in the first column of a line of its own',
    ],
  },
  {
    name: 'iSCSI without portals',
    edits: [['hpe3par_iscsi_ips = 10.1.0.1\n', '']],
    messages: [':1: [DEFAULT] hpe3par_iscsi_ips: is missing; fix: add the line "hpe3par_iscsi_ips = 10.1.1.1"'],
  },
  {
    name: 'a secondary_wwn that does not exist',
    edits: [['san_login', 'secondary_wwn = maybe\nsan_login']],
    messages: [':9: [DEFAULT] secondary_wwn: "maybe" is none of the possible words; fix: write different or same'],
  },
  {
    name: 'no path at all',
    edits: [['san_login', 'multipath_minimum_paths = 0\nsan_login']],
    messages: [
      ':9: [DEFAULT] multipath_minimum_paths: "0" is not from 1 to 32; fix: write a whole number of paths from 1 to 32',
    ],
  },
  {
    name: 'a prefix with quotes',
    edits: [['logging', 'host_command_prefix = sh -c "exec"\nlogging']],
    messages: [
      ':2: [DEFAULT] host_command_prefix: "sh -c \\"exec\\"" has a quote in it; fix: write a command and its arguments, separated by blanks; no shell reads them',
    ],
  },
  {
    name: 'two problems in two sections',
    edits: [
      ['hpe3par_cpg =', 'hpe3par_cgp ='],
      [
        /$/,
        '[two]\nhpedockerplugin_driver = fc\nhpe3par_cpg = A\nhpe3par_api_url = https://h/api/v1\nhpe3par_username = u\nhpe3par_password = hush\nsan_password = hush\n',
      ],
    ],
    messages: [
      ':1: [DEFAULT] hpe3par_cpg: is missing; fix: add the line "hpe3par_cpg = FC_r6"',
      ':11: [DEFAULT] hpe3par_cgp: the key is unknown; fix: did you mean hpe3par_cpg?',
      ':25: [two] san_ip: is missing; fix: add the line "san_ip = 10.0.0.1"',
    ],
  },
];
