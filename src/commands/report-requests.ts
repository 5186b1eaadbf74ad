import { z } from 'zod';
import { DriverError } from '../domain/errors.js';
import { reportGroup } from '../driver/group-report.js';
import { reportStatus, type StatusParts } from '../driver/status-report.js';
import type { AdminRequest } from '../plugin/admin.js';

export type ReportRequest = '/here' | '/status' | '/group' | '/pin';

const groupBody = z.strictObject({ name: z.string(), backend: z.string().optional(), exports: z.boolean().optional() });
const pinBody = z.strictObject({ peer: z.string() });

/** How the daemon was started, and what that means for what it mounts. */
export interface DaemonSurroundings {
  /** As a managed plugin of Docker. */
  managed: boolean;
  /** Others see what it mounts. */
  isShown: boolean;
}

/**
 * What the commands ask about, in the daemon or without one: path → request. None of them changes anything.
 * @param surroundings of a daemon
 */
export function reportRequests(
  parts: StatusParts,
  surroundings?: () => Promise<DaemonSurroundings>,
): Record<ReportRequest, AdminRequest> {
  return {
    '/here': async () => ({ node: parts.nodeName, id: parts.node, ...(await surroundings?.()) }),
    '/status': async (_body, signal) => reportStatus(parts, signal),
    '/group': async (body, signal) => reportGroup(parts, parse(groupBody, body), signal),
    '/pin': async (body, signal) =>
      (await parts.store.find('pin', parse(pinBody, body).peer, signal))?.fingerprint ?? null,
  };
}

function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new DriverError('invalid', `the request is not understood: ${z.prettifyError(parsed.error)}`, {
    next: 'use the command of the same release as the daemon',
  });
}
