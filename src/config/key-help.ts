/** What a key of hpe.conf is for. */
export interface KeyHelp {
  /** What may stand after the `=`. */
  takes: string;
  /** What holds without the key, as it could be written; a key whose absence means nothing has none. */
  usual: string | undefined;
  /** A value. */
  example: string;
  /** A sentence or two. */
  meaning: string;
}

/** Key, what it takes, default, example, meaning. Required keys say so. */
const TABLE = `
logging | DEBUG, INFO, WARNING, ERROR or CRITICAL | WARNING | INFO | The least that is logged.
mount_prefix | absolute path | - | /var/lib/hpe-volume-plugin/volumes | Directory that volumes are mounted below; without it "volumes" in the state directory. A managed plugin takes no other than its own.
docker_timeout | seconds, 15 to 3600 | 120 | 120 | How long dockerd waits for the plugin; 30 in a managed plugin, where it counts only if it was enabled with --timeout.
host_command_prefix | command and arguments, separated by blanks | - | nsenter --mount=/proc/1/ns/mnt --ipc=/proc/1/ns/ipc -- | What the host's tools are run through when the plugin is in a container; a managed plugin does so by itself.
status_listen | ADDRESS[:PORT], port 9810 | - | 127.0.0.1:9810 | Where the page, status.json, metrics and health are served; without it nothing listens. There is no password.
docker_socket | absolute path, or none | /var/run/docker.sock | none | Where the daemon reaches Docker when a failover run --all-nodes of another node asks it to stop and start containers; none: it never does.
host_etcd_ip_address | ADDRESS[:PORT], several separated by commas | - | 10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379 | etcd with the metadata of all hosts. Without it, or with 0.0.0.0, they are in the state directory, for this host alone.
host_etcd_port_number | port | 2379 | 2379 | The port of addresses without one.
host_etcd_ca_cert | absolute path | - | /etc/hpedockerplugin/etcd-ca.pem | TLS to etcd: the authority's certificate.
host_etcd_client_cert | absolute path | - | /etc/hpedockerplugin/etcd-client.pem | Our own certificate, where etcd asks for one; goes with host_etcd_client_key.
host_etcd_client_key | absolute path | - | /etc/hpedockerplugin/etcd-client-key.pem | The key of that certificate.
hpedockerplugin_driver | one of two words, ending in HPE3PARISCSIDriver or HPE3PARFCDriver | - | hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver | How volumes are attached: iSCSI or Fibre Channel. Required.
hpe3par_cpg | CPG, several separated by commas | - | FC_r6 | Where volumes are made; the first counts, the others may be chosen with -o cpg=. Required.
hpe3par_snapcpg | CPG, several separated by commas | - | FC_r6s | Where snapshots take space; without it where the volume is.
replication_device | key:value pairs, separated by commas, over several indented lines | - | backend_id:array2, … | The secondary array; with it every volume of the backend is replicated. Its keys are below.
secondary_wwn | different or same | different | same | WWN of the copy. different is safer: a stale path can never be taken for the live copy. Peer persistence needs same, and takes it by itself.
replication_strict | true or false | false | true | true: with one array silent and the links to it down, nothing is mounted from the other one before an operator's failover. false: also when that one was used last, with a warning.
remove_empty_group | always or created | always | created | Whether a remote copy group goes with its last volume, or only one that the plugin created.
loopback_fabric | absolute path | - | /var/lib/hpe-3par-sim/fabric | Only for the simulator: the directory of its fabric takes the place of the SAN.
use_multipath | true or false | true | false | true: volumes are used through dm-multipath only. false: over one path.
multipath_minimum_paths | paths, 1 to 32 | 1 | 2 | With fewer paths than this a volume is not mounted; with fewer than there should be it is, with a warning.
hpe3par_api_url | https URL | - | https://10.0.0.1:8080/api/v1 | The array's web services ("showwsapi" tells the port). Required.
hpe3par_username | one word | - | 3paruser | A user with the role edit. Required.
hpe3par_password | text | - | PASSWORD | Its password, plain or encrypted. Required, or hpe3par_password_file: [secrets.md](secrets.md).
hpe3par_password_file | absolute path, or $CREDENTIALS_DIRECTORY/NAME | - | /run/secrets/array1 | The file that holds the password, instead of it.
hpe3par_iscsi_ips | ADDRESS[:PORT], several separated by commas | - | 10.1.0.1,10.1.0.2 | Portals that volumes are attached through, port 3260 if none is given. Required with iSCSI.
hpe3par_iscsi_chap_enabled | true or false | false | true | iSCSI: the host proves itself to the array. The plugin makes the secret and gives it to both.
hpe3par_ca_file | absolute path | - | /etc/hpedockerplugin/array1.pem | PEM file of the authority of the array's certificate, or of the certificate itself.
hpe3par_fingerprint | 64 hexadecimal digits, with or without colons | - | 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff | SHA-256 of the certificate. With neither this nor hpe3par_ca_file the certificate of the first contact is trusted, and a change refused.
hpe3par_tls_verify | true or false | true | true | false trusts any certificate.
san_ip | address or host name | - | 10.0.0.1 | The array over SSH, which only schedules of snapshots need. Required.
san_login | one word | admin | 3paruser | The user over SSH.
san_password | text | - | PASSWORD | Its password. Required, or san_password_file.
san_password_file | absolute path, or $CREDENTIALS_DIRECTORY/NAME | - | /run/secrets/array1 | The file that holds the password, instead of it.
password_key_file | absolute path | - | /etc/hpedockerplugin/password.key | The key of passwords that "hpe-volume-plugin encrypt --key-file" has encrypted. In [DEFAULT] it counts for every section.
san_private_key | absolute path | - | /etc/hpedockerplugin/id_rsa | A private key, used over SSH where the array knows it.
san_ssh_port | port | 22 | 22 | The port of SSH.
ssh_conn_timeout | seconds, 1 to 600 | 30 | 30 | How long SSH may take to connect.
strict_ssh_host_key_policy | true or false | false | true | true: the host key has to be in ssh_hosts_key_file. false: there, or else as at the first contact. In [DEFAULT] it counts for every section.
ssh_hosts_key_file | absolute path | - | /root/.ssh/ssh_known_hosts | Host keys as OpenSSH keeps them; with strict_ssh_host_key_policy = true and no file it is /root/.ssh/ssh_known_hosts. In [DEFAULT] it counts for every section.
backend_id | one word | - | array2 | Name of the remote copy target on the primary array ("showrcopy targets"). Required.
replication_mode | synchronous, asynchronous or streaming | - | synchronous | asynchronous is periodic. Required.
sync_period | seconds, 300 to 31622400 | 900 | 900 | Time between two periodic copies; with asynchronous only.
cpg_map | PRIMARY:SECONDARY, several separated by blanks | - | FC_r6:FC_r1 | Where the copies are made. Required.
snap_cpg_map | PRIMARY:SECONDARY, several separated by blanks | - | FC_r6s:FC_r1s | Where snapshots of the copies take space. Required.
quorum_witness_ip | address or host name | - | 10.0.0.5 | The arrays' quorum witness ("showrcopy -qw targets"); switches peer persistence on, with synchronous only.
`;

/** Every key that has an effect, in the order in which they are explained. */
export const KEY_HELP: ReadonlyMap<string, KeyHelp> = new Map(
  TABLE.trim()
    .split('\n')
    .map((line) => {
      const [key = '', takes = '', usual = '-', example = '', meaning = ''] = line.split(' | ');
      return [key, { takes, usual: usual === '-' ? undefined : usual, example, meaning }];
    }),
);
