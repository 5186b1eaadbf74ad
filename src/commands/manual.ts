/** What `COMMAND --help` says, and what completes a command line. */
export interface Page {
  /** How it is typed, after `hpe-volume-plugin`; without the options that say where the daemon is. */
  forms: string[];
  /** One line. */
  summary: string;
  /** What a reader has to know before typing it, a paragraph each. */
  about: string[];
  /** Names of its options, of `OPTIONS`. */
  options: (keyof typeof OPTIONS)[];
  /** After `hpe-volume-plugin`. */
  examples: string[];
  /** A file with more, below docs. */
  more?: string;
}

/** Every option of every command: its value, if it takes one, and what it means. */
export const OPTIONS = {
  config: { value: 'FILE', meaning: 'hpe.conf (default /etc/hpedockerplugin/hpe.conf)' },
  socket: { value: 'PATH', meaning: 'where dockerd finds the plugin (default /run/docker/plugins/hpe.sock)' },
  'state-dir': { value: 'DIR', meaning: "this node's own memory (default /var/lib/hpe-volume-plugin)" },
  'docker-socket': { value: 'PATH', meaning: 'where the Docker engine listens (default /var/run/docker.sock)' },
  managed: { meaning: 'the daemon runs as a managed plugin of Docker' },
  side: { value: 'primary|secondary', meaning: 'the array whose copy is the right one' },
  for: { value: 'TIME', meaning: 'how long it holds, 1s to 24h, such as 30m' },
  reason: { value: 'TEXT', meaning: 'why; it is logged, and shown in docker volume inspect' },
  end: { meaning: 'ends the override of the volume' },
  'dry-run': { meaning: 'says what would be done, and changes nothing' },
  cluster: { value: 'ID', meaning: 'the id of the metadata that were lost, where the arrays hold volumes of several' },
  'from-v2': { value: 'FILE|URL', meaning: "the old plugin's etcd, or a dump of it" },
  'key-file': { value: 'FILE', meaning: 'the key; only root may read it' },
  'new-key': { meaning: 'makes the key file' },
  'password-file': { value: 'FILE', meaning: 'the password, instead of asking for it' },
  'passphrase-file': { value: 'FILE', meaning: 'the passphrase of the old scheme' },
  backend: { value: 'NAME', meaning: 'the section of hpe.conf' },
  'without-comment': { meaning: 'leaves the comment empty where the former one is lost' },
  image: { value: 'IMAGE', meaning: 'of the container that the command runs in' },
  'learn-host-keys': { meaning: 'shows the SSH host keys of the arrays, and stores them in ssh_hosts_key_file' },
  json: { meaning: 'one JSON document instead of lines' },
  yes: { meaning: 'answers every question with yes' },
  'accept-loss': { value: 'REASON', meaning: 'does what is NOT SAFE, too; the reason is in the audit log' },
  'all-nodes': {
    meaning:
      'has the daemons of other nodes stop and start their containers; without it the run says what to stop there, and waits',
  },
} as const satisfies Record<string, { value?: string; meaning: string }>;

const METADATA: Page['options'] = ['config', 'state-dir'];
const GUIDE: Page['options'] = ['backend', 'docker-socket', 'config', 'state-dir'];

const guide = (verb: 'failover' | 'failback', way: string): Page => ({
  forms: [`${verb} plan RCG [--json]`, `${verb} run RCG [--yes] [--accept-loss REASON] [--all-nodes]`],
  summary: `moves a remote copy group ${way}, or says how`,
  about: [
    'plan only reads: what the arrays say now, whether it is safe, what would be lost, and what to type.',
    'run does the plan: stops the containers, types the commands to the arrays, waits, starts the containers, verifies. It asks before each step that changes something, may be interrupted and typed again, and writes STATE-DIR/audit.log.',
  ],
  options: ['json', 'yes', 'accept-loss', 'all-nodes', ...GUIDE],
  examples: [`${verb} plan RCG1`, `${verb} run RCG1`],
  more: 'failover.md',
});

/** Every command, in the order in which they are listed. */
export const MANUAL: ReadonlyMap<string, Page> = new Map<string, Page>([
  [
    'serve',
    {
      forms: ['[serve]'],
      summary: 'runs the daemon; this is also what happens without a command',
      about: [
        'Start it before dockerd. It runs until SIGTERM or SIGINT; containers go on meanwhile, and what was unfinished is settled at the next start.',
        'The log is one JSON object a line on standard output.',
      ],
      options: ['config', 'socket', 'state-dir', 'managed'],
      examples: ['serve --config /etc/hpedockerplugin/hpe.conf'],
      more: 'install.md',
    },
  ],
  [
    'doctor',
    {
      forms: ['doctor [--json]', 'doctor --learn-host-keys'],
      summary: 'looks at all that volumes need, and says what is wrong and how to mend it',
      about: ['Changes nothing. Exit code 0: nothing is wrong; 1: an error or a warning.'],
      options: ['json', 'learn-host-keys', 'config', 'socket', 'state-dir'],
      examples: ['doctor', 'doctor --json'],
      more: 'doctor.md',
    },
  ],
  [
    'status',
    {
      forms: ['status [--json]'],
      summary: 'arrays, groups, volumes and who uses them, unfinished work, left-overs',
      about: ['Changes nothing; works while the daemon is down, too.'],
      options: ['json', 'docker-socket', 'config', 'state-dir'],
      examples: ['status'],
      more: 'failover.md',
    },
  ],
  ['failover', guide('failover', 'to the other array')],
  ['failback', guide('failback', 'home')],
  [
    'drill',
    {
      forms: ['drill RCG --image IMAGE -- COMMAND'],
      summary: 'shows a command what the other array holds, without a failover',
      about: [
        'Makes a snapshot of the passive copy of each volume, mounts it read-only at /drill/VOLUME in a container, runs the command there, and drops it all again. Replication goes on.',
      ],
      options: ['image', ...GUIDE],
      examples: ['drill RCG1 --image alpine -- ls /drill/db'],
      more: 'failover.md',
    },
  ],
  [
    'verify',
    {
      forms: ['verify RCG [--json]'],
      summary: 'whether each volume of a group is served by the array that is to serve it',
      about: ['Changes nothing. Exit code 1: something is not right.'],
      options: ['json', ...GUIDE],
      examples: ['verify RCG1'],
      more: 'failover.md',
    },
  ],
  [
    'override',
    {
      forms: ['override VOLUME --side primary|secondary --for TIME --reason TEXT', 'override VOLUME --end'],
      summary: 'lets one volume be mounted although the live copy is not proven; the last resort',
      about: [
        'For when the other array is lost and you know that this copy is the right one. It holds for that volume on all nodes, and ends by itself. What only the silent array has is given up.',
      ],
      options: ['side', 'for', 'reason', 'end', ...METADATA],
      examples: [
        'override db --side primary --for 30m --reason "secondary array lost, ticket 4711"',
        'override db --end',
      ],
      more: 'operate.md',
    },
  ],
  [
    'resize',
    {
      forms: ['resize VOLUME GiB'],
      summary: 'makes a volume larger while it is used, on its arrays and on the host',
      about: ['GiB is the size that the volume is to have. Needs the daemon of this host.'],
      options: ['state-dir'],
      examples: ['resize db 20'],
      more: 'resize.md',
    },
  ],
  [
    'release',
    {
      forms: ['release VOLUME [--without-comment]'],
      summary: 'gives an imported volume back to the array, with its former name and its data',
      about: ['Refused while it is in use. Needs the daemon of this host.'],
      options: ['without-comment', 'state-dir'],
      examples: ['release accounts'],
      more: 'import.md',
    },
  ],
  [
    'backup',
    {
      forms: ['backup FILE'],
      summary: 'writes all metadata into a new file',
      about: ['It holds no password and no data of volumes.'],
      options: METADATA,
      examples: ['backup /root/hpe-2026-11-28.json'],
      more: 'backup.md',
    },
  ],
  [
    'restore',
    {
      forms: ['restore FILE [--dry-run]'],
      summary: 'brings a backup back into metadata that are empty or lost',
      about: ['Nothing is changed on the arrays.'],
      options: ['dry-run', ...METADATA],
      examples: ['restore /root/hpe-2026-11-28.json --dry-run'],
      more: 'backup.md',
    },
  ],
  [
    'rebuild',
    {
      forms: ['rebuild [--dry-run] [--cluster ID]'],
      summary: 'makes lost metadata anew from the tags on the arrays',
      about: ['Nothing is changed on the arrays, and all of them have to answer.'],
      options: ['dry-run', 'cluster', ...METADATA],
      examples: ['rebuild --dry-run'],
      more: 'backup.md',
    },
  ],
  [
    'import-metadata',
    {
      forms: ['import-metadata --from-v2 FILE|URL [--dry-run]'],
      summary: "takes over the volumes of HPE's Python plugin",
      about: ['Each is compared with its arrays first; nothing is formatted, renamed or exported.'],
      options: ['from-v2', 'dry-run', ...METADATA],
      examples: ['import-metadata --from-v2 tree.json --dry-run'],
      more: 'adoption.md',
    },
  ],
  [
    'encrypt',
    {
      forms: ['encrypt --key-file FILE [--new-key]', 'encrypt [--passphrase-file FILE] [--backend NAME]'],
      summary: 'encrypts a password for hpe.conf',
      about: [
        'The password is asked for, piped in, or read from a file; never typed as an argument, which every user of the host could read. The second form is that of hpe3parencryptor.',
      ],
      options: ['key-file', 'new-key', 'passphrase-file', 'backend', 'password-file', ...METADATA],
      examples: ['encrypt --key-file /etc/hpedockerplugin/password.key --new-key'],
      more: 'secrets.md',
    },
  ],
  [
    'completion',
    {
      forms: ['completion bash'],
      summary: 'prints what makes bash complete these commands and options',
      about: ['Put its output where bash looks for completions. zsh reads it, too, after bashcompinit.'],
      options: [],
      examples: ['completion bash > /etc/bash_completion.d/hpe-volume-plugin'],
    },
  ],
]);
