import { openEmbeddedStore } from '../../src/store/embedded-store.js';

/** Another process with the embedded store of that state directory: says `open`, or the refusal, and waits for its end. */
try {
  await openEmbeddedStore(process.argv[2] ?? '', { id: 'child', name: 'child' });
  process.stdout.write('open\n');
  setInterval(() => undefined, 1_000);
} catch (error) {
  process.stdout.write(`${JSON.stringify(error)} ${String(error)}\n`);
}
