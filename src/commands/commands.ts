/** Every command; each answers with the lines to print, and is loaded when it is called. `manual.ts` says what they are for. */
export const COMMANDS: ReadonlyMap<string, (args: string[]) => Promise<string[]>> = new Map<
  string,
  (args: string[]) => Promise<string[]>
>([
  ['serve', async (args) => (await import('./run-daemon.js')).runDaemon(args)],
  ['doctor', examine],
  ['status', async (args) => (await import('./status.js')).status(args)],
  ['failover', async (args) => (await import('./failover.js')).failover(args)],
  ['failback', async (args) => (await import('./failover.js')).failback(args)],
  ['drill', async (args) => (await import('./drill.js')).drill(args)],
  ['verify', async (args) => (await import('./verify.js')).verify(args)],
  ['override', async (args) => (await import('./override.js')).override(args)],
  ['resize', async (args) => (await import('./resize.js')).resize(args)],
  ['release', async (args) => (await import('./release.js')).release(args)],
  ['backup', async (args) => (await import('./metadata.js')).backup(args)],
  ['restore', async (args) => (await import('./metadata.js')).restore(args)],
  ['rebuild', async (args) => (await import('./metadata.js')).rebuild(args)],
  ['import-metadata', async (args) => (await import('./metadata.js')).importMetadata(args)],
  [
    'encrypt',
    async (args) => (await import('./encrypt.js')).encrypt(args, { input: process.stdin, output: process.stderr }),
  ],
  ['completion', async (args) => (await import('./completion.js')).completion(args)],
]);

async function examine(args: string[]): Promise<string[]> {
  const { doctor } = await import('./doctor.js');
  const { lines, exitCode } = await doctor(args);
  process.exitCode = exitCode;
  return lines;
}
