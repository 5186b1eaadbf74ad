#!/usr/bin/env node
import { parseCommandLine, USAGE, UsageError } from './command-line.js';
import { startPair } from './pair.js';

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
  const usage = error instanceof UsageError;
  console.error(`hpe-3par-sim: ${error instanceof Error ? error.message : String(error)}`);
  if (usage) console.error(USAGE);
  process.exitCode = usage ? 2 : 1;
}
