import type { SimulatedArray } from './array.js';
import type { ArrayPair } from './array-pair.js';
import { Refusal } from './codes.js';
import { Members } from './wsapi-body.js';

export interface Reply {
  status: number;
  /** Path of what was made or changed, without `/api/v1`. */
  location?: string;
  body?: unknown;
}

/** A request that belongs to a route. */
export interface WsapiRequest {
  pair: ArrayPair;
  array: SimulatedArray;
  /** The `:name` parts of the route. */
  params: Record<string, string>;
  query: URLSearchParams;
  body: unknown;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below `/api/v1`, with `:name` for one segment. */
  path: string;
  /** Names of the query parameters that it knows. */
  query?: readonly string[];
  handle(request: WsapiRequest): Reply | Promise<Reply>;
}

export const OK: Reply = { status: 200 };

export const created = (location: string): Reply => ({ status: 201, location });

export const collection = (members: unknown[]): Reply => ({ status: 200, body: { total: members.length, members } });

/** The body, to be read member by member; `done` has to be called on it. */
export const membersOf = (request: WsapiRequest): Members => new Members(request.body ?? {});

export function param(request: WsapiRequest, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw new Error(`the route has no parameter ${name}`);
  return value;
}

/** A query parameter that is `true` or `false`; absent is false. */
export function queryFlag(request: WsapiRequest, name: string): boolean {
  const value = request.query.get(name);
  if (value !== null && value !== 'true' && value !== 'false') {
    throw new Refusal('INV_INPUT', `query parameter ${name} is neither true nor false`, name);
  }
  return value === 'true';
}

/** Parts of a path if it is that of the route. */
export function matchPath(route: Route, segments: readonly string[]): Record<string, string> | undefined {
  const pattern = route.path.split('/').filter((part) => part !== '');
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = segment;
    else if (part !== segment) return undefined;
  }
  return params;
}

/**
 * The `?query="…"` of a collection, without its quotes, which are part of the value (reference 4.1, 5.1).
 * Undefined when all members are wanted.
 */
export function findQuery(request: WsapiRequest): string | undefined {
  const value = request.query.get('query');
  if (value === null) return undefined;
  const quoted = /^"(.*)"$/s.exec(value.trim());
  if (quoted?.[1] === undefined) throw new Refusal('INV_INPUT', 'the query is not enclosed in double quotes', 'query');
  return quoted[1];
}

/** `field EQ value`, for the fields that the collection can be searched by. */
export function parseEquality(query: string, fields: readonly string[]): { field: string; value: string } {
  const match = /^\s*(\w+)\s+EQ\s+(\S+)\s*$/.exec(query);
  const [, field, value] = match ?? [];
  if (field === undefined || value === undefined || !fields.includes(field)) {
    throw new Refusal('INV_INPUT', `unknown query: ${query}`, 'query');
  }
  return { field, value };
}
