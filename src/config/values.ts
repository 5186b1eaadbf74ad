import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { Secret } from '../domain/secret.js';
import type { Endpoint } from './model.js';

/** How a value is read. Each message of the schema goes on after the value, or begins with the quoted part that is wrong. */
export interface ValueType<T> {
  schema: z.ZodType<T, string>;
  /** What would be right. */
  right: string;
}

const LONGEST_QUOTED = 200;
const HIDDEN = '"***"';

/** A value for a message; what a lost line end may have brought into it, perhaps a password, is left out. */
export function quoted(text: string): string {
  if (text.length > LONGEST_QUOTED || /pas+w|pwd/i.test(text)) return HIDDEN;
  return JSON.stringify(text.replace(/\/\/.*@/s, '//***@').replace(/\s.*[:=].*/s, ' …'));
}

export const secret: ValueType<Secret> = { schema: z.string().transform((text) => new Secret(text)), right: '' };

/** One word or more; for names that only the array can judge. */
export const name: ValueType<string> = {
  schema: z.string().regex(/^\S+$/, 'has a blank in it'),
  right: 'write one word, without blanks',
};

export const boolean: ValueType<boolean> = {
  schema: z.stringbool({
    truthy: ['true', '1', 'on', 'yes'],
    falsy: ['false', '0', 'off', 'no'],
    error: 'is neither true nor false',
  }),
  right: 'write true or false',
};

export function wholeNumber(min: number, max: number, unit: string): ValueType<number> {
  const range = `is not from ${min} to ${max}`;
  return {
    schema: z
      .string()
      .regex(/^\d{1,12}$/, 'is not a whole number')
      .transform(Number)
      .pipe(z.number().min(min, range).max(max, range)),
    right: `write a whole number${unit === '' ? '' : ` of ${unit}`} from ${min} to ${max}`,
  };
}

export const port = wholeNumber(1, 65_535, '');

export function oneOf<const T extends string>(words: readonly T[]): ValueType<T> {
  const known = `write ${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
  return {
    schema: z
      .string()
      .toLowerCase()
      .pipe(z.enum(words, { error: 'is none of the possible words' })),
    right: known,
  };
}

export const absolutePath: ValueType<string> = {
  schema: z.string().regex(/^\//, 'is not an absolute path'),
  right: 'write the path from / on',
};

/** An absolute path, or the word `none`. */
export const absolutePathOrNone: ValueType<string> = {
  schema: z.string().regex(/^(\/|none$)/, 'is neither an absolute path nor none'),
  right: 'write the path from / on, or none',
};

/** An absolute path, or one below systemd's directory of credentials. */
export const secretPath: ValueType<string> = {
  schema: z.string().regex(/^(\$\{?CREDENTIALS_DIRECTORY\}?)?\//, 'is not an absolute path'),
  right: 'write the path from / on, or $CREDENTIALS_DIRECTORY/NAME',
};

/** A command and its arguments, separated by blanks; no shell reads them, so there are no quotes. */
export const commandWords: ValueType<string[]> = {
  schema: z
    .string()
    .regex(/^[^'"]*$/, 'has a quote in it')
    .transform((text) => words(text, /\s+/)),
  right: 'write a command and its arguments, separated by blanks; no shell reads them',
};

const isHost = (text: string): boolean => {
  if (isIPv4(text) || isIPv6(text)) return true;
  return !/^[\d.]+$/.test(text) && /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\.?$/.test(text);
};

export const host: ValueType<string> = {
  schema: z.string().refine(isHost, 'is neither an address nor a host name'),
  right: 'write an address such as 10.0.0.1, or a host name',
};

/** `host[:port]`, IPv6 with a port in brackets; undefined if it is not. */
function readEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  if (isIPv6(text)) return { host: text, port: defaultPort };
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const found = parts?.[1] ?? parts?.[2];
  const number = parts?.[3] === undefined ? defaultPort : Number(parts[3]);
  const isGood = found !== undefined && (parts?.[1] === undefined ? isHost(found) : isIPv6(found));
  return isGood && number >= 1 && number <= 65_535 ? { host: found, port: number } : undefined;
}

/** Addresses, each with or without a port, separated by comma, semicolon, blank or line end. */
export function endpoints(defaultPort: number): ValueType<Endpoint[]> {
  return {
    schema: z.string().transform((text, context) => {
      const found: Endpoint[] = [];
      const addresses = words(text, /[\s,;]+/);
      failEach(context, addresses, (word, shown) => {
        const endpoint = readEndpoint(word, defaultPort);
        if (endpoint === undefined) return `${shown} is not ADDRESS[:PORT]`;
        found.push(endpoint);
        return undefined;
      });
      if (addresses.length === 0) fail(context, 'holds no address');
      return found;
    }),
    right: `write ADDRESS[:PORT], several separated by commas; the port is ${defaultPort} if it is not given`,
  };
}

/** One address, with or without a port. */
export function oneEndpoint(defaultPort: number): ValueType<Endpoint> {
  return {
    schema: z.string().transform((text, context) => {
      const found = readEndpoint(text, defaultPort);
      if (found !== undefined) return found;
      fail(context, 'is not ADDRESS[:PORT]');
      return z.NEVER;
    }),
    right: `write ADDRESS[:PORT]; the port is ${defaultPort} if it is not given`,
  };
}

/** A name as the array allows it (reference 4.7). */
const isCpgName = (text: string): boolean => /^[A-Za-z0-9_.-]{1,31}$/.test(text);

export const cpgNames: ValueType<string[]> = {
  schema: z.string().transform((text, context) => {
    const names = words(text, /[,\n]/);
    failEach(context, names, (each, shown) => (isCpgName(each) ? undefined : `${shown} is not the name of a CPG`));
    if (names.length === 0) fail(context, 'holds no CPG');
    return names;
  }),
  right: 'write names of CPGs (at most 31 letters, digits, _, . and -), separated by commas',
};

/** `source:target` pairs separated by blanks. */
export const cpgPairs: ValueType<Map<string, string>> = {
  schema: z.string().transform((text, context) => {
    const map = new Map<string, string>();
    failEach(context, words(text, /\s+/), (pair, shown) => {
      const [source = '', target = '', ...more] = pair.split(':');
      const isPair = more.length === 0 && isCpgName(source) && isCpgName(target);
      if (!isPair) return `${shown} is not SOURCE_CPG:TARGET_CPG`;
      if (map.has(source)) return `maps ${source} twice`;
      map.set(source, target);
      return undefined;
    });
    return map;
  }),
  right: 'write SOURCE_CPG:TARGET_CPG, several pairs separated by blanks',
};

export const apiUrl: ValueType<string> = {
  schema: z.string().transform((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || /\s/.test(text)) fail(context, 'is not a URL');
    else if (url.protocol !== 'https:') fail(context, 'does not begin with https://');
    else if (url.username !== '' || url.password !== '') fail(context, 'holds a user name or a password');
    else if (!/^\/api\/v1\/?$/.test(url.pathname)) fail(context, 'does not end in /api/v1');
    else if (url.search !== '' || url.hash !== '') fail(context, 'has something after /api/v1');
    return url === undefined ? '' : `${url.origin}/api/v1`;
  }),
  right: 'write https://ADDRESS:8080/api/v1, with the port that showwsapi shows on the array',
};

export const fingerprint: ValueType<string> = {
  schema: z
    .string()
    .transform((text) => text.replaceAll(':', '').toLowerCase())
    .pipe(z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 fingerprint')),
  right: 'write 64 hex digits, with or without colons',
};

export const driver: ValueType<'iscsi' | 'fc'> = {
  schema: z.string().transform((text, context) => {
    const word = text.toLowerCase();
    const isOther = word.includes('lefthand') || word.includes('file');
    if (isOther) fail(context, 'is not a driver for 3PAR block volumes');
    if (word.includes('iscsi')) return 'iscsi';
    if (!isOther && !word.includes('fc')) fail(context, 'names neither the iSCSI nor the Fibre Channel driver');
    return 'fc';
  }),
  right:
    'write hpedockerplugin.hpe.hpe_3par_iscsi.HPE3PARISCSIDriver or hpedockerplugin.hpe.hpe_3par_fc.HPE3PARFCDriver',
};

const words = (text: string, separator: RegExp): string[] =>
  text
    .trim()
    .split(separator)
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** What a value has in it where a line end was lost, or where a comment stands behind it. */
const isForeign = (word: string): boolean => /[=#]|:$/.test(word) || quoted(word) === HIDDEN;

/**
 * Reports each element of a list that is wrong. `problemOf` gets an element, and how to show it. What follows a foreign
 * one is part of it, perhaps a password: it is not shown, and reported only if nothing else is.
 */
function failEach(
  context: z.RefinementCtx<string>,
  elements: string[],
  problemOf: (element: string, shown: string) => string | undefined,
): void {
  let foreign = false;
  let failed = false;
  for (const element of elements) {
    const problem = problemOf(element, foreign ? HIDDEN : quoted(element));
    if (problem !== undefined) fail(context, problem);
    failed ||= problem !== undefined;
    foreign ||= isForeign(element);
    if (foreign && failed) return;
  }
}

function fail(context: z.RefinementCtx<string>, message: string): void {
  context.addIssue({ code: 'custom', message, input: context.value });
}
