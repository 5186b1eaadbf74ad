import { z } from 'zod';
import type { PairControl } from './pair-client.js';

const state = z.object({
  arrays: z.array(
    z.object({
      name: z.string(),
      volumes: z.array(
        z.object({
          name: z.string(),
          wwn: z.string(),
          comment: z.string(),
          sizeMiB: z.number(),
          provisioning: z.string(),
          compression: z.boolean(),
          dataFile: z.string(),
        }),
      ),
      tasks: z.array(z.object({ id: z.number(), name: z.string(), status: z.string() })),
      hosts: z.array(z.object({ name: z.string() })),
      vluns: z.array(z.object({ volume: z.string(), host: z.string().optional() })),
      groups: z.array(
        z.object({
          name: z.string(),
          role: z.string(),
          state: z.union([z.string(), z.number()]),
          members: z.array(z.object({ local: z.string() })),
        }),
      ),
      schedules: z.array(z.object({ name: z.string() })),
      volumeSets: z.array(
        z.object({ name: z.string(), comment: z.string(), members: z.array(z.string()), flashCache: z.boolean() }),
      ),
    }),
  ),
  /** Exported volumes of real fabrics. */
  devices: z.array(z.object({ array: z.string(), volume: z.string(), changedAtNs: z.string() })).optional(),
});
export type PairState = z.infer<typeof state>;

/** The simulator's own view of both arrays. */
export async function stateOf(control: PairControl): Promise<PairState> {
  return state.parse(JSON.parse(await control.state()));
}

/** Names of the arrays that export the volume of that array name. */
export async function arraysExporting(control: PairControl, arrayVolume: string): Promise<string[]> {
  const { arrays } = await stateOf(control);
  return arrays.filter((array) => array.vluns.some((vlun) => vlun.volume === arrayVolume)).map((array) => array.name);
}

/** Every object that is on the arrays; nothing when they are as new. */
export async function arrayObjects(control: PairControl): Promise<string[]> {
  const { arrays } = await stateOf(control);
  return arrays.flatMap(({ name, volumes, hosts, vluns, groups, volumeSets, schedules }) => [
    ...volumes.map((each) => `${name}: volume ${each.name}`),
    ...hosts.map((each) => `${name}: host ${each.name}`),
    ...vluns.map((each) => `${name}: VLUN of ${each.volume}`),
    ...groups.map((each) => `${name}: group ${each.name}`),
    ...volumeSets.map((each) => `${name}: volume set ${each.name}`),
    ...schedules.map((each) => `${name}: schedule ${each.name}`),
  ]);
}

/** Like `arrayObjects`, with everything that a failed change may not alter: tags, roles, states and members. */
export async function arrayOutline(control: PairControl): Promise<string[]> {
  const { arrays } = await stateOf(control);
  return arrays.flatMap(({ name, volumes, hosts, vluns, groups, volumeSets, schedules }) =>
    [
      ...volumes.map((each) => `${name}: volume ${each.name} ${each.comment}`),
      ...hosts.map((each) => `${name}: host ${each.name}`),
      ...vluns.map((each) => `${name}: VLUN of ${each.volume} to ${each.host ?? 'a port'}`),
      ...volumeSets.map(
        ({ name: set, comment, members, flashCache }) =>
          `${name}: volume set ${set} ${comment} of ${members.toSorted().join(', ')}${flashCache ? ' with flash cache' : ''}`,
      ),
      ...groups.map(({ name: group, role, state: is, members }) => {
        const sorted = members.map((each) => each.local).toSorted();
        return `${name}: group ${group} ${role} ${is} of ${sorted.join(', ') || 'nothing'}`;
      }),
      ...schedules.map((each) => `${name}: schedule ${each.name}`),
    ].toSorted(),
  );
}

/** The volume of that Docker name on each array that has it, found by our tag. */
export async function arrayVolumes(control: PairControl, name: string): Promise<PairState['arrays'][0]['volumes']> {
  const { arrays } = await stateOf(control);
  return arrays.flatMap(({ volumes }) => volumes.filter((each) => each.comment.includes(`"display_name":"${name}"`)));
}
