import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import winston from 'winston';
import type { Logger } from './contracts/log.js';
import { Secret } from './domain/secret.js';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** What a line belongs to; added to every line that is written within `withLogContext`. */
export interface LogContext {
  verb?: string;
  volume?: string;
  operation?: string;
}

/** Longer lines are cut into pieces by dockerd and by pipes, and two writers' pieces mix. */
const MAX_LINE_BYTES = 60 * 1024;
const MAX_TEXT = 8 * 1024;
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;

const context = new AsyncLocalStorage<LogContext>();

/** Runs `fn`; its log lines, also those of what it awaits, carry the fields, besides those of an outer call. */
export function withLogContext<T>(fields: LogContext, fn: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, fn);
}

/** Writes one JSON object a line to `output`. A reader that went away stops the log, not the daemon. */
export function createLogger(level: LogLevel, output: NodeJS.WritableStream = process.stdout): Logger {
  surviveClosedPipe(output);
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warning: 1, info: 2, debug: 3 },
    format: winston.format.printf(({ message }) => String(message)),
    transports: [new winston.transports.Stream({ stream: output, eol: '\n' })],
  });
  const write =
    (severity: LogLevel) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      if (!logger.isLevelEnabled(severity)) return;
      const head = { time: new Date().toISOString(), level: severity, message: cleanText(message) };
      logger.log({ level: severity, message: toLine(head, { ...context.getStore(), ...fields }) });
    };
  return { debug: write('debug'), info: write('info'), warn: write('warning'), error: write('error') };
}

const guarded = new WeakSet<NodeJS.WritableStream>();

function surviveClosedPipe(output: NodeJS.WritableStream): void {
  if (guarded.has(output)) return;
  guarded.add(output);
  // EPIPE and its like would end the process as an uncaught exception, and there is nowhere left to report them.
  output.on('error', () => undefined);
}

interface Head {
  time: string;
  level: string;
  message: string;
}

function toLine(head: Head, fields: Record<string, unknown>): string {
  const line: Record<string, unknown> = { ...head };
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) line[key in line ? `${key}_` : key] = printableField(key, value);
  }
  const text = JSON.stringify(line);
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_LINE_BYTES) return text;
  return JSON.stringify({ ...head, cut: `the fields made a line of ${bytes} bytes` });
}

/** A log never throws, whatever it is given. */
function printableField(key: string, value: unknown): unknown {
  try {
    return printableMember(key, value, { depth: 1, above: [] });
  } catch {
    return '[cannot be printed]';
  }
}

/** Where a value stands within the fields. */
interface Position {
  depth: number;
  above: readonly object[];
}

const SECRET_KEY = /passw|secret|session.?key/i;

/** Whoever hands in a secret as plain text under a telling name is protected from it. */
function printableMember(key: string, value: unknown, position: Position): unknown {
  return SECRET_KEY.test(key) && typeof value === 'string' ? '***' : printable(value, position);
}

/** The value as JSON can hold it: bounded in depth, width and length, without cycles and without what errors carry along. */
function printable(value: unknown, position: Position): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return value.toString();
  if (typeof value === 'function') return '[function]';
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return value.toJSON();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (position.above.includes(value)) return '[circular]';
  if (position.depth > MAX_DEPTH) return '[…]';
  const inside = { depth: position.depth + 1, above: [...position.above, value] };
  if (value instanceof Error || types.isNativeError(value)) return printableError(value, inside);
  if (Array.isArray(value) || value instanceof Set) {
    return [...value].slice(0, MAX_ITEMS).map((item: unknown) => printable(item, inside));
  }
  const members: [string, unknown][] =
    value instanceof Map ? [...value].map(([key, item]) => [String(key), item]) : Object.entries(value);
  return Object.fromEntries(
    members.slice(0, MAX_ITEMS).map(([key, item]) => [key, printableMember(key, item, inside)]),
  );
}

/** Only what we know to be harmless: an HTTP client's error carries the request, and with it the password. */
function printableError(error: Error, inside: Position): Record<string, unknown> {
  const code = 'code' in error ? error.code : undefined;
  const next = 'next' in error ? error.next : undefined;
  return {
    name: error.name,
    message: cleanText(error.message),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof next === 'string' ? { next: cleanText(next) } : {}),
    ...(typeof error.stack === 'string' ? { stack: cleanText(error.stack) } : {}),
    ...(error.cause === undefined ? {} : { cause: printable(error.cause, inside) }),
  };
}

/** Without passwords in URLs, and not too long. */
function cleanText(text: string): string {
  const clean = text.replace(/(\/\/[^/\s:@]*:)[^/\s@]+@/g, '$1***@');
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}… (${clean.length} characters)` : clean;
}
