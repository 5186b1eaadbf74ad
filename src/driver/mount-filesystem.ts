import { randomUUID } from 'node:crypto';
import type { Probe } from '../contracts/host.js';
import type { Write } from '../contracts/store.js';
import type { BlockDevice } from '../domain/attachment.js';
import { DriverError } from '../domain/errors.js';
import { FILESYSTEM_TYPES, isNeverFormatted, type FilesystemRecord, type Volume } from '../domain/volume.js';
import type { StepContext } from '../saga/saga.js';
import type { DriverContext } from './context.js';
import { isRootPending } from './mount-root.js';
import type { MountFacts, MountPlan, MountStep } from './plan-mount.js';

type Context = StepContext<MountPlan, MountFacts, Write>;
type Recorded<S extends FilesystemRecord['state']> = Extract<FilesystemRecord, { state: S }>;

/** Proves the file system that is on record, adopts one that came with the data, or makes the first one. */
export function filesystemStep(ctx: DriverContext, { filesystem: known }: Volume): MountStep {
  return {
    name: 'prove or make the file system',
    onlyLooks: known.state === 'formatted',
    async do(context) {
      const { filesystem } = context.plan.volume;
      if (isNeverFormatted(filesystem)) return { filesystem: await makeFilesystem(ctx, context) };
      if (filesystem.state !== 'formatted') return { filesystem: await adoptFilesystem(ctx, context, filesystem) };
      await proveFilesystem(ctx, context, filesystem);
      return { filesystem };
    },
    // The new uuid of a copy needs a mount for a moment; a file system that was only proven has nothing to be undone.
    async undo({ plan, facts, signal }) {
      if (facts.device === undefined || !['inherited', 'renewing'].includes(plan.volume.filesystem.state)) return;
      await ctx.filesystems.unmount(facts.device, plan.mountpoint, signal);
    },
  };
}

async function makeFilesystem(ctx: DriverContext, context: Context): Promise<FilesystemRecord> {
  const { plan, facts, signal } = context;
  const device = getDevice(facts);
  const formatting = planFormat(plan, device);
  const { type, uuid } = formatting;
  // Not on record before the proof: what is refused now would be taken for the traces of our mkfs by the next Mount.
  const proven = async (): Promise<void> => record(context, formatting);
  const repeat = plan.volume.filesystem.state === 'formatting';
  await ctx.filesystems.make(device, { type, uuid, repeat, proven }, signal);
  const filesystem = { state: 'formatted', type, uuid } as const;
  if (!isRootPending(plan.volume)) await record(context, filesystem);
  return filesystem;
}

/** What goes on record before mkfs: new, or the same again after an interruption (rule 16). */
function planFormat(plan: MountPlan, device: BlockDevice): Recorded<'formatting'> {
  const { volume, side, group } = plan;
  const epoch = group?.epoch ?? 0;
  const known = volume.filesystem;
  if (volume.everMounted || volume.origin !== undefined || !isNeverFormatted(known)) {
    throw new DriverError(
      'internal',
      `volume ${volume.name} was mounted before, or its data came from elsewhere, but no file system is on record; it is not formatted`,
    );
  }
  if (known.state !== 'formatting') {
    return { state: 'formatting', type: volume.spec.fsType, uuid: randomUUID(), side, epoch, wwn: device.wwn };
  }
  if (known.side === side && known.epoch === epoch && known.wwn === device.wwn) return known;
  throw new DriverError(
    'refused',
    `the first format of volume ${volume.name} was interrupted on the ${known.side} array (WWN ${known.wwn}); it may not be repeated on the ${side} array (WWN ${device.wwn})`,
    { next: `mount it while the ${known.side} array is active, or remove the volume: it never held data` },
  );
}

/** Rule 19. */
async function proveFilesystem(ctx: DriverContext, context: Context, expected: Recorded<'formatted'>): Promise<void> {
  const { plan, facts, signal } = context;
  const device = getDevice(facts);
  const probe = await ctx.filesystems.probe(device, signal);
  if (probe.content === 'filesystem' && probe.type === expected.type && probe.uuid === expected.uuid) return;
  throw new DriverError(
    'refused',
    `the ${plan.side} copy of volume ${plan.volume.name} (${device.path}, WWN ${device.wwn}) should hold ${expected.type} with uuid ${expected.uuid}, but holds ${describe(probe)}; it is neither mounted nor formatted`,
    {
      next: `compare both copies: showvv ${plan.volume.arrayName} and showrcopy on each array; the other copy may be the good one`,
    },
  );
}

/**
 * Rule 18: data that came from elsewhere are taken as they are, or not at all. A copy of another volume gets a uuid of its
 * own, on record before it is written, because xfs mounts no two with the same on one host; what was imported keeps its own.
 */
async function adoptFilesystem(
  ctx: DriverContext,
  context: Context,
  known: Recorded<'inherited' | 'renewing'>,
): Promise<FilesystemRecord> {
  const { plan, facts, signal } = context;
  const device = getDevice(facts);
  const found = matchInherited(known, await ctx.filesystems.probe(device, signal));
  if ('other' in found) throw notInherited(plan.volume, device, { known, found: found.other });
  const { type, uuid } = found;
  let filesystem: FilesystemRecord = { state: 'formatted', type, uuid };
  if (known.state === 'renewing' || isCopy(plan.volume)) {
    const { from, to } = known.state === 'renewing' ? known : { from: uuid, to: randomUUID() };
    await record(context, { state: 'renewing', type, from, to });
    await ctx.filesystems.renewUuid(device, { type, from, to, target: plan.mountpoint }, signal);
    filesystem = { state: 'formatted', type, uuid: to };
  }
  await record(context, filesystem);
  return filesystem;
}

const isCopy = ({ origin }: Volume): boolean => origin?.kind === 'clone' || origin?.kind === 'snapshot';

type Found = Pick<Recorded<'formatted'>, 'type' | 'uuid'> | { other: string };

/** The file system on the device, if it may be the one that came with the data. */
function matchInherited(known: Recorded<'inherited' | 'renewing'>, probe: Probe): Found {
  const other = { other: describe(probe) };
  if (probe.content !== 'filesystem' || probe.uuid === undefined) return other;
  const { uuid } = probe;
  const type = FILESYSTEM_TYPES.find((each) => each === probe.type);
  if (type === undefined || type !== (known.type ?? type)) return other;
  const allowed = known.state === 'renewing' ? [known.from, known.to] : [known.uuid ?? uuid];
  return allowed.includes(uuid) ? { type, uuid } : other;
}

function notInherited(
  { name, arrayName, origin }: Volume,
  device: BlockDevice,
  { known, found }: { known: Recorded<'inherited' | 'renewing'>; found: string },
): DriverError {
  const uuid = known.state === 'renewing' ? `${known.from} or ${known.to}` : known.uuid;
  const type = known.type ?? FILESYSTEM_TYPES.join(' or ');
  const expected = `${type}${uuid === undefined ? '' : ` with uuid ${uuid}`}`;
  const from = origin?.kind === 'import' ? origin.formerName : origin?.of;
  return new DriverError(
    'refused',
    `the data of volume ${name}${from === undefined ? '' : `, which came from ${from},`} should be ${expected}, but ${device.path} (WWN ${device.wwn}) holds ${found}; it is neither mounted nor formatted`,
    { next: `look at what it is (showvv -d ${arrayName}); a volume that is to be formatted has to be created empty` },
  );
}

function describe(probe: Probe): string {
  if (probe.content === 'blank') return 'nothing: the device is blank';
  return probe.content === 'filesystem' ? `${probe.type} with uuid ${probe.uuid ?? 'none'}` : probe.what;
}

async function record(context: Context, filesystem: FilesystemRecord): Promise<void> {
  const { volume } = context.plan;
  await context.record([{ put: 'volume', key: volume.name, value: { ...volume, filesystem } }]);
}

/** @throws `internal` before the device was attached */
export function getDevice(facts: MountFacts): BlockDevice {
  if (facts.device === undefined) throw new DriverError('internal', 'no device is on record');
  return facts.device;
}
