import type { Chap } from '../contracts/array.js';
import { asDriverError, DriverError } from '../domain/errors.js';
import { makeSo } from './make-so.js';
import { segment } from './paths.js';
import { hostAnswer, type HostAnswer } from './schemas.js';
import type { Wsapi } from './wsapi.js';

/** Numbers of reference 5.1: add, and for the initiator's side. */
const ADD = 1;
const INITIATOR = 1;

/** What the host entries of one array ask of their initiators. The array shows the name, never the secret. */
export class HostChap {
  readonly #wsapi: Wsapi;
  /** What each host entry has got from this process. */
  readonly #given = new Map<string, Chap>();

  constructor(wsapi: Wsapi) {
    this.#wsapi = wsapi;
  }

  /** The entry asks its initiators for that name and secret. */
  async ensure(entry: HostAnswer, chap: Chap, signal: AbortSignal): Promise<void> {
    const isGiven = chap.wasRefused !== true && isSame(this.#given.get(entry.name), chap);
    if (isGiven && shows(entry, chap)) return;
    this.#given.delete(entry.name);
    const path = `hosts/${segment(entry.name)}`;
    await makeSo(
      {
        act: async () => {
          await this.#wsapi.change({ method: 'PUT', path, body: bodyOf(chap) }, signal);
          // An answer that was lost proves nothing of the secret: it is sent again next time.
          this.#given.set(entry.name, chap);
        },
        read: async () => this.#wsapi.get({ path, schema: hostAnswer }, signal),
        isDone: (found) => shows(found, chap),
        notDone: () => this.#notDone(entry.name),
      },
      signal,
    ).catch((thrown: unknown) => {
      this.#given.delete(entry.name);
      throw withoutSecret(asDriverError(thrown), chap);
    });
  }

  #notDone(host: string): DriverError {
    return new DriverError(
      'unavailable',
      `${this.#wsapi.label} acknowledged the CHAP name and secret of host entry ${host}, but does not show the name`,
      { next: `see it with: showhost -chap ${host}` },
    );
  }
}

const shows = (entry: HostAnswer, { name }: Chap): boolean =>
  entry.initiatorChapEnabled === true && entry.initiatorChapName === name;

const isSame = (given: Chap | undefined, { name, secret }: Chap): boolean =>
  given?.name === name && given.secret.reveal() === secret.reveal();

const bodyOf = ({ name, secret }: Chap): Record<string, unknown> => ({
  chapOperation: ADD,
  chapOperationMode: INITIATOR,
  chapName: name,
  chapSecret: secret.reveal(),
});

/** Arrays may repeat what they do not accept. */
function withoutSecret(error: DriverError, { secret }: Chap): DriverError {
  if (!error.message.includes(secret.reveal())) return error;
  const { next } = error;
  const message = error.message.replaceAll(secret.reveal(), '***');
  return new DriverError(error.code, message, next === undefined ? {} : { next });
}
