import { readFile } from 'node:fs/promises';

/** What `load-node.ts` writes down; times in µs of the machine's monotonic clock. */
export type LoadEvent =
  | { what: 'grant'; node: string; key: string; from: number; to: number }
  | { what: 'commit'; commit: string; key: string; value: number; outcome: string }
  | { what: 'refusal'; code: string };

type Of<W extends LoadEvent['what']> = Extract<LoadEvent, { what: W }>;

/** A commit that was found to be applied. */
export interface Applied {
  commit: string;
  value: number;
}

export async function readLog(file: string): Promise<LoadEvent[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as LoadEvent);
}

export function eventsOf<W extends LoadEvent['what']>(events: LoadEvent[], what: W): Of<W>[] {
  return events.filter((event): event is Of<W> => event.what === what);
}

/** How often each word comes. */
export function countOf(words: string[]): Record<string, number> {
  const count: Record<string, number> = {};
  for (const word of words) count[word] = (count[word] ?? 0) + 1;
  return count;
}

/** Grants of one key that were believed in at the same time. */
export function overlaps(grants: Of<'grant'>[]): string[] {
  const found: string[] = [];
  const lastOf = new Map<string, Of<'grant'>>();
  for (const grant of grants.toSorted((a, b) => a.from - b.from)) {
    const last = lastOf.get(grant.key);
    if (last !== undefined && grant.from < last.to) {
      found.push(`${grant.key}: ${grant.node} had it ${last.to - grant.from} µs before ${last.node} gave it up`);
    }
    if (last === undefined || grant.to > last.to) lastOf.set(grant.key, grant);
  }
  return found;
}

/** Acknowledged commits that were not applied, refused ones that were, and values that were written twice or never. */
export function wrongCommits(commits: Of<'commit'>[], applied: Applied[]): string[] {
  const found: string[] = [];
  const known = new Set(commits.map(({ commit }) => commit));
  const there = new Set(applied.map(({ commit }) => commit));
  for (const { commit, outcome } of commits) {
    if (outcome === 'done' && !there.has(commit)) found.push(`${commit} was acknowledged and is lost`);
    if (outcome === 'fenced' && there.has(commit)) found.push(`${commit} was fenced and applied`);
    if (!['done', 'fenced', 'unavailable'].includes(outcome)) found.push(`${commit} ended with ${outcome}`);
  }
  const lastOf = new Map<string, number>();
  for (const { commit, value } of applied.toSorted((a, b) => a.value - b.value)) {
    if (!known.has(commit)) found.push(`${commit} comes from nowhere`);
    const key = commit.slice(0, commit.indexOf(':'));
    const last = lastOf.get(key) ?? 0;
    if (value !== last + 1) found.push(`${key}: an update was lost, ${commit} wrote ${value} after ${last}`);
    lastOf.set(key, value);
  }
  return found;
}
