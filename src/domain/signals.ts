import { setMaxListeners } from 'node:events';

/**
 * Fires with the first of the signals, for the same reason. Use it where both are of one request: it is known to the signals
 * until one of them fires. `AbortSignal.any` is not to be used: in Node 20 it holds an `AbortSignal.timeout` so weakly
 * that a garbage collection ends the time limit, in 24 also other signals, and what waits then waits for ever.
 */
export function firstOf(...signals: readonly AbortSignal[]): AbortSignal {
  return join(signals).controller.signal;
}

/**
 * Fires after that time (ms) with a TimeoutError, or earlier with one of the signals. Keeps no process alive, but itself until
 * then: what is done often has `withTimeLimit`.
 */
export function within(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  return limit(ms, signals).signal;
}

/**
 * Does the work with a signal like that of `within`. When the work has ended nothing is left of the signal, which then never
 * fires any more: nothing may go on with it.
 */
export async function withTimeLimit<T>(
  ms: number,
  signal: AbortSignal,
  work: (bounded: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal: bounded, end } = limit(ms, [signal]);
  try {
    return await work(bounded);
  } finally {
    end();
  }
}

function limit(ms: number, signals: readonly AbortSignal[]): { signal: AbortSignal; end: () => void } {
  const { controller, leave } = join(signals);
  const { signal } = controller;
  if (signal.aborted) return { signal, end: leave };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`the time limit of ${ms} ms is over`, 'TimeoutError'));
  }, ms);
  timer.unref();
  const end = (): void => {
    clearTimeout(timer);
    leave();
  };
  signal.addEventListener('abort', end, { once: true });
  return { signal, end };
}

/**
 * The signals hold the controller until it has fired, or leaves them. That is done by hand: the option `signal` of
 * `addEventListener` is forgotten by Node 20 at a garbage collection, and then the listener stays for ever.
 */
function join(signals: readonly AbortSignal[]): { controller: AbortController; leave: () => void } {
  const controller = new AbortController();
  const fired = signals.find(({ aborted }) => aborted);
  if (fired !== undefined) {
    controller.abort(fired.reason);
    return { controller, leave: () => undefined };
  }
  const links = signals.map((source) => ({ source, fire: () => controller.abort(source.reason) }));
  const leave = (): void => {
    for (const { source, fire } of links) source.removeEventListener('abort', fire);
  };
  for (const { source, fire } of links) {
    // One request may make many calls, each with a time limit of its own.
    setMaxListeners(0, source);
    source.addEventListener('abort', fire);
  }
  controller.signal.addEventListener('abort', leave, { once: true });
  return { controller, leave };
}
