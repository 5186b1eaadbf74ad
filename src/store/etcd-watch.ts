import type { IWatchResponse } from 'etcd3';
import type { ChangeStream, EtcdClient } from './etcd-client.js';
import { endOf } from './etcd-root.js';

/** An open watch asks etcd that often for a sign of life; one that has given none by the next time is opened anew. */
const SIGN_OF_LIFE_MS = 2_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Tells changes below a prefix: the rest of the key, or undefined when changes may have been missed. It opens its stream
 * anew whenever that ends or falls silent, and always from now on rather than from a revision that may have been compacted,
 * or that a restored etcd has yet to reach; the `undefined` that follows stands for everything in between.
 */
export class EtcdWatch {
  readonly #client: EtcdClient;
  readonly #prefix: string;
  readonly #tell: (key: string | undefined) => void;
  #stream: ChangeStream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #heard = false;
  #pauseMs = FIRST_PAUSE_MS;
  #closed = false;

  /** @param prefix ends in `/` */
  constructor(client: EtcdClient, prefix: string, tell: (key: string | undefined) => void) {
    this.#client = client;
    this.#prefix = prefix;
    this.#tell = tell;
    void this.#open();
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #open(): Promise<void> {
    let stream: ChangeStream;
    try {
      stream = await this.#client.watch(Buffer.from(this.#prefix), endOf(this.#prefix));
    } catch {
      this.#openLater();
      return;
    }
    if (this.#closed) {
      stream.cancel();
      return;
    }
    this.#stream = stream;
    const isOver = (): void => {
      if (this.#stream === stream) this.#openLater();
    };
    stream.on('data', (answer) => {
      if (this.#stream === stream) this.#hear(answer);
    });
    stream.on('error', isOver);
    stream.on('end', isOver);
    this.#heard = false;
    this.#timer = setInterval(() => this.#askForSignOfLife(stream), SIGN_OF_LIFE_MS).unref();
  }

  #hear(answer: IWatchResponse): void {
    this.#heard = true;
    if (answer.canceled) {
      this.#openLater();
      return;
    }
    if (answer.created) this.#tell(undefined);
    for (const { kv } of answer.events) this.#tell(kv.key.toString().slice(this.#prefix.length));
  }

  #askForSignOfLife(stream: ChangeStream): void {
    if (!this.#heard) {
      this.#openLater();
      return;
    }
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#heard = false;
    stream.write({ progress_request: {} });
  }

  #openLater(): void {
    this.#drop();
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#open(), this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel();
  }
}
