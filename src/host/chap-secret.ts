import { randomInt, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { Chap } from '../contracts/array.js';
import { DriverError } from '../domain/errors.js';
import { Secret } from '../domain/secret.js';
import { errorCode } from './error-code.js';

/** The most that every array takes, without what people mix up when they read it. */
const SECRET_LENGTH = 16;
const ALPHABET = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const NAME_LENGTH = 31;

const fileSchema = z.object({ schema: z.literal(1), name: z.string().min(1), secret: z.string().min(12).max(16) });

/**
 * How this host proves to the arrays who it is: drawn once and kept in `<state-dir>/chap.json`, so that every session and every
 * host entry has the same. @throws `unavailable` when there is a file, but not a readable one
 */
export async function ensureChap(stateDir: string): Promise<Chap> {
  const file = path.join(stateDir, 'chap.json');
  const known = await readChap(file);
  if (known !== undefined) return known;
  const name = hostname().split('.')[0]?.slice(0, NAME_LENGTH) ?? '';
  const secret = Array.from({ length: SECRET_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await createOnce(file, JSON.stringify({ schema: 1, name, secret }));
  const made = await readChap(file);
  if (made === undefined) throw unreadable(file);
  return made;
}

/** Whoever comes second takes what is there. */
async function createOnce(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await link(temporary, file);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await handle.close();
    await rm(temporary, { force: true });
  }
}

async function readChap(file: string): Promise<Chap | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unreadable(file);
  });
  if (text === undefined) return undefined;
  // Neither the text nor what zod says of it may get into an error: it holds the secret.
  const parsed = fileSchema.safeParse(parseJson(text));
  if (!parsed.success) throw unreadable(file);
  return { name: parsed.data.name, secret: new Secret(parsed.data.secret) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(file: string): DriverError {
  return new DriverError('unavailable', `the CHAP secret of this host in ${file} cannot be read`, {
    next: `restore ${file}; or remove it, and a new secret is drawn: the array then learns it with the next mount`,
  });
}
