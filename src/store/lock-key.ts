import type { IKeyValue, IRequestOp, IResponseOp } from 'etcd3';
import { z } from 'zod';
import type { GuardedEtcd } from './etcd-root.js';
import type { Lease } from './lease.js';

/** What stands in a lock key: who holds it, for those who wait and for people, and the last commit under it. */
const lockValue = z.looseObject({
  /** Node id, and its name for people. */
  node: z.string(),
  name: z.string(),
  /** One run of that node's daemon. */
  life: z.string(),
  /** The holder's lease; its session key is there as long as the lease lives. */
  lease: z.string(),
  /** Seconds that the lease lives without being renewed. */
  ttl: z.number(),
  commit: z.string().optional(),
});
export type LockValue = z.infer<typeof lockValue>;

/** Where locks are kept, and who takes them. */
export interface LockSite {
  etcd: GuardedEtcd;
  /** Before all our keys; ends in `/`. */
  prefix: string;
  node: { id: string; name: string };
  /** One run of this node's daemon. */
  life: string;
}

/** What is taken for one lease. */
export interface Claim extends LockSite {
  lease: Lease;
}

/** A lock key as it is in etcd. Its create revision is the token of its holder; the next holder's is another one, always. */
export interface HeldKey {
  key: string;
  token: string;
  /** Times it was written: once for its creation and once for every commit. */
  version: string;
  /** Undefined when somebody else wrote there. */
  holder: LockValue | undefined;
}

export const lockPath = ({ prefix }: Pick<LockSite, 'prefix'>, key: string): Buffer =>
  Buffer.from(`${prefix}lock/${key}`);

/** There as long as the lease is. */
export const sessionPath = ({ prefix }: Pick<LockSite, 'prefix'>, lease: string): Buffer =>
  Buffer.from(`${prefix}session/${lease}`);

/** The lock key itself hangs on no lease: it stays when the lease ends, until it is removed. */
export function putLock(claim: Claim, key: string, commit?: string): IRequestOp {
  const { node, life, lease } = claim;
  const value: LockValue = { node: node.id, name: node.name, life, lease: lease.id, ttl: lease.ttlSeconds, commit };
  return { request_put: { key: lockPath(claim, key), value: Buffer.from(JSON.stringify(value)) } };
}

/** Fails, and its transaction with it, when the lease has ended. */
export function putSession({ prefix, lease, node }: Claim): IRequestOp {
  const value = Buffer.from(JSON.stringify({ node: node.id, name: node.name }));
  return { request_put: { key: sessionPath({ prefix }, lease.id), value, lease: lease.id } };
}

export const getLock = (claim: Claim, key: string): IRequestOp => ({ request_range: { key: lockPath(claim, key) } });

/** What `getLock` found. */
export function heldKey(key: string, response: IResponseOp | undefined): HeldKey | undefined {
  const found = response?.response_range.kvs[0];
  return found === undefined ? undefined : heldKeyIn(key, found);
}

/** A lock key that was read. */
export function heldKeyIn(key: string, found: IKeyValue): HeldKey {
  return { key, token: found.create_revision, version: found.version, holder: holderIn(found) };
}

function holderIn({ value }: IKeyValue): LockValue | undefined {
  try {
    return lockValue.parse(JSON.parse(value.toString()));
  } catch {
    return undefined;
  }
}
