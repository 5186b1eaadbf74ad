#!/usr/bin/env node
import { COMMANDS } from './commands/commands.js';
import { printManual, printUsage } from './commands/print-manual.js';
import { UsageError } from './commands/usage.js';
import { ConfigError } from './config/config.js';
import { DriverError } from './domain/errors.js';

const [first = 'serve', ...others] = process.argv.slice(2);
const asksHelp = (word: string): boolean => word === '--help' || word === '-h';
// Without a command the words are options of the daemon.
const isOption = first.startsWith('-');
const name = isOption ? 'serve' : first;

async function main(): Promise<string[]> {
  if (asksHelp(first) || (first === 'help' && others.length === 0)) return printManual(undefined) ?? [];
  const args = isOption ? [first, ...others] : others;
  const wanted = first === 'help' ? (others[0] ?? '') : name;
  const command = COMMANDS.get(wanted);
  // What follows -- is somebody else's command line.
  const own = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined);
  const page = first === 'help' || own.some((word) => asksHelp(word)) ? printManual(wanted) : undefined;
  if (page !== undefined) return page;
  if (command === undefined || first === 'help') throw new UsageError(`unknown command: ${wanted}`);
  return command(args);
}

try {
  for (const line of await main()) console.log(line);
} catch (error) {
  if (error instanceof UsageError) console.error([error.message, ...printUsage(name)].join('\n'));
  // A ConfigError has one line for each problem.
  else if (error instanceof ConfigError) console.error(error.message);
  else console.error(error instanceof DriverError ? error.toUserText() : String(error));
  process.exitCode = error instanceof ConfigError || error instanceof UsageError ? 2 : 1;
}
