import { DriverError, type ErrorCode } from '../domain/errors.js';

/** For answers that WSAPI of the array would not give. */
export const CHECK_ADDRESS =
  'check that hpe3par_api_url in hpe.conf leads to WSAPI of this array, and its state and version with: showwsapi';

interface Meaning {
  code: ErrorCode;
  words: string;
  next?: string;
}

/** The array's error numbers (reference 2.2) in our classes and words. */
const NUMBERS: Readonly<Record<number, Meaning>> = {
  12: { code: 'invalid', words: 'the array does not know a member of the request' },
  13: {
    code: 'refused',
    words: 'the user has not the right to do this',
    next: 'give the user the edit or super role on the array (showuser, createuser)',
  },
  14: { code: 'exists', words: 'the CPG exists already' },
  15: { code: 'invalid', words: 'the CPG does not exist', next: 'compare hpe3par_cpg and cpg_map with: showcpg' },
  16: { code: 'exists', words: 'a host of that name exists already' },
  17: { code: 'not-found', words: 'the host does not exist' },
  18: { code: 'exists', words: 'the export exists already' },
  19: { code: 'not-found', words: 'the export does not exist' },
  20: { code: 'not-found', words: 'the port does not exist' },
  22: { code: 'exists', words: 'a volume of that name exists already' },
  23: { code: 'not-found', words: 'the volume does not exist' },
  24: { code: 'refused', words: 'the CPG has no space left', next: 'see the free space with: showcpg -space' },
  25: { code: 'refused', words: 'the volume has a read-only snapshot' },
  26: { code: 'refused', words: 'it is still exported', next: 'see to whom with: showvlun' },
  28: { code: 'invalid', words: 'a value is too large' },
  29: { code: 'busy', words: 'it may be the target of a running copy' },
  32: {
    code: 'refused',
    words: 'the volume has snapshots or copies that depend on it',
    next: 'see them with: showvv -p -copyof',
  },
  34: {
    code: 'refused',
    words: 'the volume is in a volume set',
    next: 'see which with: showvvset -vv VOLUME; then: removevvset -f SET VOLUME',
  },
  38: { code: 'invalid', words: 'the domain does not exist' },
  73: { code: 'exists', words: 'another host has this initiator already', next: 'see it with: showhost -pathsum' },
  77: { code: 'refused', words: 'the host is in a host set' },
  90: { code: 'busy', words: 'the array is busy counting the space of the volume' },
  94: { code: 'invalid', words: 'the array does not grow a volume by so little' },
  99: { code: 'refused', words: 'the persona of the host does not allow this LUN' },
  100: { code: 'not-found', words: 'the QoS rule does not exist' },
  101: { code: 'exists', words: 'a set of that name exists already' },
  102: { code: 'not-found', words: 'the set does not exist' },
  120: { code: 'refused', words: 'the volume is in a remote copy group', next: 'see it with: showrcopy groups' },
  150: {
    code: 'refused',
    words: 'the array does not do this with a volume of this kind, or with snapshots',
    next: 'see its kind and its snapshots with: showvv -p -copyof',
  },
  151: { code: 'busy', words: 'a copy of the volume is running' },
  152: { code: 'invalid', words: 'the array does not take this size' },
  153: {
    code: 'refused',
    words: 'the volume would be larger than its CPG may be',
    next: 'see the limit of the CPG with: showcpg -sdg',
  },
  187: { code: 'not-found', words: 'the remote copy group does not exist' },
  215: { code: 'refused', words: 'the remote copy group is started' },
  236: {
    code: 'refused',
    words: 'another group replicates to the same target in another mode, and a target takes only one',
    next: 'see the modes with: showrcopy groups',
  },
  237: {
    code: 'exists',
    words: 'a remote copy group of that name exists already',
    next: 'see it with: showrcopy groups; choose another replicationGroup',
  },
  284: { code: 'refused', words: 'the remote copy group is not stopped' },
};

/** For numbers that no source names: the HTTP status alone. */
const STATUSES: Readonly<Record<number, Meaning>> = {
  400: { code: 'invalid', words: 'the array did not accept the request' },
  403: { code: 'refused', words: 'the array refused' },
  404: { code: 'not-found', words: 'the array does not have it' },
  409: { code: 'refused', words: 'it conflicts with what is on the array' },
  413: { code: 'invalid', words: 'the request is too long' },
  501: { code: 'invalid', words: 'the array cannot do this' },
  503: {
    code: 'unavailable',
    words: 'the array is busy: all its sessions or workers are in use',
    next: 'see its sessions with: showwsapisession, its state with: showwsapi; try again later',
  },
};

/** The array's answer was an error. Says for certain what the array said, not yet what was done. */
export class ArrayRefusal extends DriverError {
  readonly status: number;
  /** WSAPI's own error number. */
  readonly number: number | undefined;
  /** When the array said so by its own clock, ISO 8601; undefined when it did not say. */
  readonly at: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { status: number; number: number | undefined; at?: string | undefined; next?: string },
  ) {
    super(code, message, options.next === undefined ? {} : { next: options.next });
    this.status = options.status;
    this.number = options.number;
    this.at = options.at;
  }
}

/** A read that fails like this says nothing about the object: "not there" would be a guess. */
const WRONG_ADDRESS: Meaning = {
  code: 'unavailable',
  words: 'the array does not know this address',
  next: CHECK_ADDRESS,
};

const isWrongAddress = ({ change, status }: RefusedCall): boolean => status === 404 && !change;

export interface RefusedCall {
  label: string;
  /** `POST /volumes` */
  call: string;
  /** The call changes something. */
  change: boolean;
  status: number;
  number: number | undefined;
  /** The array's own words. */
  said: string;
  /** Its `Date`. */
  date?: string | undefined;
}

/**
 * The error for an answer that is one. A server error to a change leaves open whether it was done: `unknown-outcome`,
 * so that the caller reads the state.
 */
export function refusalOf(refused: RefusedCall): ArrayRefusal {
  const { status, number } = refused;
  const detail = `${refused.call} → HTTP ${status}${number === undefined ? '' : `, code ${number}`}${refused.said === '' ? '' : `: ${refused.said}`}`;
  const known =
    (number === undefined ? undefined : NUMBERS[number]) ??
    (isWrongAddress(refused) ? WRONG_ADDRESS : STATUSES[status]);
  const meaning: Meaning = known ?? {
    code: refused.change ? 'unknown-outcome' : 'unavailable',
    words: 'the array failed',
    next: 'see the state of the array with: showsys -d, showalert',
  };
  return new ArrayRefusal(meaning.code, `${refused.label}: ${meaning.words} (${detail})`, {
    status,
    number,
    at: isoTime(refused.date),
    ...(meaning.next === undefined ? {} : { next: meaning.next }),
  });
}

function isoTime(date: string | undefined): string | undefined {
  const time = new Date(date ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
