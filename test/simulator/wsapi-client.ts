import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { ReadyArray } from '../../src/simulator/pair.js';

export interface Answer {
  status: number;
  location: string | undefined;
  text: string;
  /** The parsed body; `{}` when there is none. */
  body: Json;
}

/** What tests read out of answers, without a cast at every step. */
export class Json {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  at(...path: (string | number)[]): unknown {
    let value = this.value;
    for (const step of path) {
      if (typeof value !== 'object' || value === null) return undefined;
      value = new Map<string, unknown>(Object.entries(value)).get(String(step));
    }
    return value;
  }

  list(...path: (string | number)[]): Json[] {
    const value = this.at(...path);
    return Array.isArray(value) ? value.map((each) => new Json(each)) : [];
  }
}

/** One array's WSAPI as a test uses it: one session, connections kept alive. */
export class WsapiClient {
  readonly #array: ReadyArray;
  readonly #agent: Agent;
  key = '';

  constructor(array: ReadyArray) {
    this.#array = array;
    this.#agent = new Agent({ keepAlive: true, ca: readFileSync(array.caFile), servername: '' });
  }

  async login(): Promise<this> {
    const { user, password } = this.#array;
    const answer = await this.send('POST', '/credentials', { user, password });
    this.key = String(answer.body.at('key'));
    return this;
  }

  send(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.raw(method, `/api/v1${path}`, body === undefined ? '' : JSON.stringify(body));
  }

  /** @throws the connection's error when the array does not answer */
  raw(method: string, path: string, text = ''): Promise<Answer> {
    const { hostname, port } = new URL(this.#array.apiUrl);
    const headers = { 'X-HP3PAR-WSAPI-SessionKey': this.key, 'Content-Length': Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const call = request({ hostname, port, method, path, headers, agent: this.#agent }, (response) => {
        let received = '';
        response.on('data', (chunk: Buffer) => (received += chunk.toString('utf8')));
        response.on('end', () => {
          const body: unknown = received === '' ? {} : JSON.parse(received);
          resolve({
            status: response.statusCode ?? 0,
            location: response.headers.location,
            text: received,
            body: new Json(body),
          });
        });
        response.on('error', reject);
      });
      call.setTimeout(20_000, () => call.destroy(new Error('no answer for 20 s')));
      call.on('error', reject);
      call.end(text);
    });
  }

  /** Status and code of an answer, for refusals: `409/22`. */
  async refusal(method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.send(method, path, body);
    return `${answer.status}/${String(answer.body.at('code'))}`;
  }

  /** @throws unless the answer is 200 or 201 */
  async done(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.send(method, path, body);
    if (answer.status !== 200 && answer.status !== 201) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    }
    return answer;
  }

  close(): void {
    this.#agent.destroy();
  }
}
