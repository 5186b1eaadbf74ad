import { z } from 'zod';
import type { Config } from '../config/config.js';
import { about, type Finding } from '../doctor/finding.js';
import { ask } from './daemon-client.js';
import type { DaemonSurroundings } from './report-requests.js';

const TIMEOUT_MS = 10_000;
const shape: z.ZodType<DaemonSurroundings> = z.object({ managed: z.boolean(), isShown: z.boolean() });

/** Undefined when no daemon runs, or one that does not say: hpe.conf is then read as for a service. */
export async function askSurroundings(stateDir: string): Promise<DaemonSurroundings | undefined> {
  const answer = await ask(stateDir, { at: '/here', body: {}, timeoutMs: TIMEOUT_MS }).catch(() => undefined);
  return shape.safeParse(answer?.result).data;
}

/** What dockerd gives a managed plugin unless it was enabled with more; no answer of Docker shows with what it was. */
const MANAGED_SECONDS = 30;

/** What Docker may get wrong about a managed plugin. A prefix for the host's tools is needed by nobody but a plugin in a container. */
export function judgeSurroundings(
  { dockerTimeoutSeconds, hostCommandPrefix }: Config,
  daemon: DaemonSurroundings | undefined,
): Finding[] {
  const find = about('dockerd');
  const isManaged = daemon?.managed ?? hostCommandPrefix.length > 0;
  const findings: Finding[] = [];
  if (daemon?.isShown === false)
    findings.push(
      find(
        'mounts-hidden',
        'nobody outside of the plugin sees what it mounts, so every Mount is refused: dockerd cleaned up after an earlier run of it when this one had started',
        'docker plugin disable -f PLUGIN; docker plugin enable --timeout 120 PLUGIN',
      ),
    );
  if (isManaged && dockerTimeoutSeconds > MANAGED_SECONDS)
    findings.push(
      find(
        'docker-timeout',
        `docker_timeout is ${dockerTimeoutSeconds} s, and dockerd gives a managed plugin ${MANAGED_SECONDS} s unless it was enabled with more; docker plugin inspect does not show with what`,
        `if you do not know: docker plugin disable -f PLUGIN; docker plugin enable --timeout ${dockerTimeoutSeconds} PLUGIN; or set docker_timeout = ${MANAGED_SECONDS}`,
      ),
    );
  else if (daemon?.managed === true)
    findings.push(
      find(
        'docker-timeout',
        `docker_timeout is ${dockerTimeoutSeconds} s, so a Mount has no time to take a volume over from a dead node, or to wait for a slow array`,
        'docker plugin disable -f PLUGIN; docker plugin enable --timeout 120 PLUGIN; and docker_timeout = 120 in hpe.conf',
      ),
    );
  return findings;
}
