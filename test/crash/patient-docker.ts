import type { DockerClient } from '../docker-client.js';

/** What a node answers whose lease of two seconds was too short for a busy machine. */
const LEASE_LOST = /locks are lost|does not hold .* any more|the caller gave up|no answer in time/;
const TRIES = 5;

/** Users who ask again when the node lost its locks although nobody struck it. */
export function patient(docker: DockerClient): DockerClient {
  return {
    ...docker,
    create: async (name, options) => untilHeld(async () => docker.create(name, options)),
    remove: async (name) => untilHeld(async () => docker.remove(name)),
    mount: async (name, id) => untilHeld(async () => docker.mount(name, id)),
    unmount: async (name, id) => untilHeld(async () => docker.unmount(name, id)),
  };
}

async function untilHeld(ask: () => Promise<string>): Promise<string> {
  for (let tries = 1; tries < TRIES; tries += 1) {
    try {
      const answer = await ask();
      if (!LEASE_LOST.test(answer)) return answer;
    } catch (error) {
      if (!LEASE_LOST.test(String(error))) throw error;
    }
  }
  return ask();
}
