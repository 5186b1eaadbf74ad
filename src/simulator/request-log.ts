/** One request as the array saw it. Bodies are not kept: they hold passwords. */
export interface LogEntry {
  seq: number;
  array: string;
  /** ISO 8601, for people. */
  at: string;
  /** Monotonic milliseconds, for computing which calls waited for which. */
  startMs: number;
  endMs: number;
  durationMs: number;
  /** Of these, spent in copying the data of volumes and in what hosts see of them, also while it waited for another request. */
  fileMs: number;
  protocol: 'wsapi' | 'ssh';
  /** WSAPI only. */
  method?: string;
  /** WSAPI only; with the query. */
  path?: string;
  /** SSH only. */
  command?: string;
  /** HTTP status, 0 if no answer was sent; for SSH 0 = ok, 1 = error. */
  status: number;
}

export interface LoggedRequest {
  array: string;
  startMs: number;
  fileMs: number;
  protocol: 'wsapi' | 'ssh';
  method?: string;
  path?: string;
  command?: string;
  status: number;
}

/** Every request to both arrays, in the order in which they ended. */
export class RequestLog {
  #entries: LogEntry[] = [];
  #seq = 0;

  /** Called when the request is over; `startMs` = `performance.now()` when it arrived. */
  add(request: LoggedRequest): void {
    const endMs = performance.now();
    this.#seq += 1;
    const at = new Date(Date.now() - (endMs - request.startMs)).toISOString();
    this.#entries.push({ seq: this.#seq, at, ...request, endMs, durationMs: endMs - request.startMs });
  }

  list(array?: string): LogEntry[] {
    return this.#entries.filter((entry) => array === undefined || entry.array === array);
  }

  clear(): void {
    this.#entries = [];
  }
}
