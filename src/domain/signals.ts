import { setMaxListeners } from 'node:events';

/**
 * Fires with the first of the signals, for the same reason. Use it where both are of one request: it is known to the signals
 * until one of them fires. `AbortSignal.any` is not to be used: in Node 20 it holds an `AbortSignal.timeout` so weakly
 * that a garbage collection ends the time limit, in 24 also other signals, and what waits then waits for ever.
 */
export function firstOf(...signals: readonly AbortSignal[]): AbortSignal {
  return joined(new AbortController(), signals).signal;
}

/** Fires after that time (ms) with a TimeoutError, or earlier with one of the signals. Keeps no process alive. */
export function within(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const both = joined(new AbortController(), signals);
  if (both.signal.aborted) return both.signal;
  const timer = setTimeout(() => {
    both.abort(new DOMException(`the time limit of ${ms} ms is over`, 'TimeoutError'));
  }, ms);
  timer.unref();
  both.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return both.signal;
}

/**
 * The signals hold the controller, and let go of it as soon as it has fired. They are told so in words: what
 * `addEventListener` has its option `signal` for, Node 20 forgets at a garbage collection, and the listener stays for ever.
 */
function joined(controller: AbortController, signals: readonly AbortSignal[]): AbortController {
  const fired = signals.find(({ aborted }) => aborted);
  if (fired !== undefined) {
    controller.abort(fired.reason);
    return controller;
  }
  for (const source of signals) {
    // One request may make many calls, each with a time limit of its own.
    setMaxListeners(0, source);
    const fire = (): void => controller.abort(source.reason);
    source.addEventListener('abort', fire, { once: true });
    controller.signal.addEventListener('abort', () => source.removeEventListener('abort', fire), { once: true });
  }
  return controller;
}
