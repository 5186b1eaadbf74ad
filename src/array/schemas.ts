import { z } from 'zod';

/** What we read of the array's answers; members that we do not need are passed over. Numbers are explained where they are mapped. */

/** As far as a date goes. */
const LAST_SECOND = 8_640_000_000_000;

export const systemAnswer = z.object({
  id: z.int().positive(),
  name: z.string().min(1),
  systemVersion: z.string(),
  /** Newer versions have none. */
  licenseInfo: z
    .object({
      /** One without an end has no time, or a time that is none. */
      licenses: z
        .array(z.object({ name: z.string(), expiryTimeSec: z.number().max(LAST_SECOND).optional().catch(undefined) }))
        .optional(),
    })
    .optional(),
});
export type SystemAnswer = z.infer<typeof systemAnswer>;

/** Reference 1.4. */
export const wsapiAnswer = z.object({ sessionsInUse: z.int().optional().catch(undefined) });

export const volumeAnswer = z.object({
  name: z.string().min(1),
  wwn: z.string().regex(/^[0-9A-Fa-f]{32}$/),
  sizeMiB: z.int().positive(),
  provisioningType: z.int(),
  compressionState: z.int().optional(),
  userCPG: z.string().optional(),
  snapCPG: z.string().optional(),
  comment: z.string().optional(),
});
export type VolumeAnswer = z.infer<typeof volumeAnswer>;

export const cpgAnswer = z.object({ name: z.string().min(1), domain: z.string().min(1).exactOptional() });

export const setAnswer = z.object({
  name: z.string().min(1),
  setmembers: z.array(z.string()).optional(),
  comment: z.string().optional(),
  domain: z.string().min(1).optional(),
  flashCachePolicy: z.int().optional(),
});
export type SetAnswer = z.infer<typeof setAnswer>;

const portPos = z.object({ node: z.int(), slot: z.int(), cardPort: z.int() });

export const portAnswer = z.object({
  portPos,
  mode: z.int(),
  linkState: z.int(),
  protocol: z.int().optional(),
  type: z.int().optional(),
  portWWN: z.string().optional(),
  IPAddr: z.string().optional(),
  iSCSIName: z.string().optional(),
  iSCSIPortInfo: z.object({ iSCSIName: z.string().optional(), IPAddr: z.string().optional() }).optional(),
});
export type PortAnswer = z.infer<typeof portAnswer>;

export const hostAnswer = z.object({
  name: z.string().min(1),
  descriptors: z.object({ comment: z.string().optional() }).optional(),
  /** A path has a port while its initiator is logged in there. */
  FCPaths: z.array(z.object({ wwn: z.string(), portPos: portPos.optional() })).optional(),
  iSCSIPaths: z.array(z.object({ name: z.string() })).optional(),
  initiatorChapEnabled: z.boolean().optional(),
  initiatorChapName: z.string().optional(),
});
export type HostAnswer = z.infer<typeof hostAnswer>;

export const vlunAnswer = z
  .object({
    volumeName: z.string().min(1),
    /** Absent on a template that only names a port. */
    hostname: z.string().min(1).optional(),
    lun: z.int().nonnegative(),
    active: z.boolean(),
    portPos: portPos.optional(),
  })
  .refine((vlun) => vlun.hostname !== undefined || vlun.portPos !== undefined, {
    error: 'it names neither host nor port',
  });
export type VlunAnswer = z.infer<typeof vlunAnswer>;

export const linkAnswer = z.object({
  name: z.string().optional(),
  targetName: z.string().optional(),
  status: z.int(),
});

/** A remote copy target; the witness is absent where none was configured. */
export const partnerAnswer = z.object({ quorumIpAddress: z.string().optional() });

export const groupAnswer = z.object({
  name: z.string().min(1),
  role: z.union([z.literal(1), z.literal(2)]),
  remoteGroupName: z.string().min(1),
  localUserCPG: z.string().optional(),
  localSnapCPG: z.string().optional(),
  targets: z.array(
    z.object({
      targetName: z.string().min(1),
      mode: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4)]),
      state: z.int(),
      roleReversed: z.boolean(),
      syncPeriod: z.int().optional(),
      policies: z
        .object({
          autoRecover: z.boolean().optional(),
          autoFailover: z.boolean().optional(),
          pathManagement: z.boolean().optional(),
        })
        .optional(),
      remoteUserCPG: z.string().optional(),
      remoteSnapCPG: z.string().optional(),
    }),
  ),
  volumes: z.array(
    z.object({
      localVolumeName: z.string().min(1),
      remoteVolumes: z.array(
        z.object({
          remoteVolumeName: z.string(),
          targetName: z.string().optional(),
          syncStatus: z.int(),
          volumeLastSyncTime: z.string().optional(),
        }),
      ),
    }),
  ),
});
export type GroupAnswer = z.infer<typeof groupAnswer>;

/**
 * A collection. Arrays send a long one in chunks of HTTP, as one answer; in which other way they may divide it stands in no
 * source. One that sends fewer members than it counts has cut the answer, and half a list proves nothing.
 */
export const listOf = <T>(member: z.ZodType<T>): z.ZodType<T[]> =>
  z
    .object({ total: z.int().optional(), members: z.array(member) })
    .superRefine(({ total, members }, context) => {
      if (total === undefined || members.length >= total) return;
      const message = `it counts ${total} members and has sent ${members.length}: half a list proves nothing`;
      context.addIssue({ code: 'custom', message });
    })
    .transform((list) => list.members);

/** What a request has for `N:S:P`. */
export function parsePort(position: string): z.infer<typeof portPos> {
  const [node, slot, cardPort] = position.split(':').map(Number);
  return portPos.parse({ node, slot, cardPort });
}

/** `N:S:P` */
export const formatPort = (pos: z.infer<typeof portPos>): string => `${pos.node}:${pos.slot}:${pos.cardPort}`;
