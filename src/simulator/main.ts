#!/usr/bin/env node
import { parseCommandLine, USAGE, UsageError } from './command-line.js';
import { DirectoryInUseError } from './directory-lock.js';
import { startPair } from './pair.js';
import { SeedError } from './seed.js';

try {
  const running = await startPair(await parseCommandLine(process.argv.slice(2)));
  const end = () => {
    running.close().catch((error: unknown) => {
      console.error('hpe-3par-sim: clean-up failed:', error);
      process.exitCode = 1;
    });
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
  console.log(JSON.stringify(running.ready));
} catch (error) {
  console.error(`hpe-3par-sim: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof UsageError) console.error(USAGE);
  const wrongUse = [UsageError, SeedError, DirectoryInUseError].some((kind) => error instanceof kind);
  process.exitCode = wrongUse ? 2 : 1;
}
