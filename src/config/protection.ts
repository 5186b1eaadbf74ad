import type { ArrayConfig, BackendConfig } from './config.js';

/** How one password is kept. `unknown`: in hpe.conf, where only etcd tells whether it is encrypted. */
type Kept = 'plain' | 'old' | 'unknown' | 'sealed' | 'file';

const WORTH: Record<Kept, string> = {
  plain: 'plain text in hpe.conf (whoever reads that file, or a copy of it, has it)',
  old: 'encrypted in hpe.conf as by hpe3parencryptor (weak: whoever reads hpe.conf and the passphrase in etcd has it, and one IV serves for all)',
  unknown: 'in hpe.conf, and whether it is encrypted there is known when etcd answers',
  sealed: 'encrypted in hpe.conf with AES-256-GCM (good: only root on this host, who can read the key file, has it)',
  file: 'in a file of its own (good: only who may read that file has it)',
};

/** How the passwords of a backend are kept and what that is worth, in one line; weak when somebody should do something about it. */
export interface Protection {
  backend: string;
  weak: boolean;
  line: string;
}

/** @param old whether the texts in hpe.conf are encrypted as the old plugin did; undefined while that is not known */
export function protectionOf(backend: BackendConfig, old: boolean | undefined): Protection {
  const keptText: Kept = old === undefined ? 'unknown' : old ? 'old' : 'plain';
  const byKind = new Map<Kept, string[]>();
  const add = (array: ArrayConfig, place: string): void => {
    const passwords = [
      ['hpe3par_password', array.passwordFrom],
      ['san_password', array.sanPasswordFrom],
    ] as const;
    for (const [key, from] of passwords) {
      const kept = from === 'text' ? keptText : from;
      byKind.set(kept, [...(byKind.get(kept) ?? []), `${place}${key}`]);
    }
  };
  add(backend.primary, '');
  if (backend.secondary !== undefined) add(backend.secondary, 'replication_device.');
  const words = [...byKind].map(([kept, keys]) => `${keys.join(', ')}: ${WORTH[kept]}`);
  const weak = byKind.has('plain') || byKind.has('old');
  const better = weak ? '; better: docs/secrets.md' : '';
  return { backend: backend.name, weak, line: `passwords of backend ${backend.name}: ${words.join('; ')}${better}` };
}
