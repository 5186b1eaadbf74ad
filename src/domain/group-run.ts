import type { Goal } from './failover-plan.js';

/** A container that was stopped so that its volumes can move. */
export interface StoppedContainer {
  id: string;
  name: string;
  /** Names of all volumes that it uses. */
  volumes: string[];
}

/**
 * The failover or failback of a group that is under way somewhere in the cluster. The record ends by itself soon after its run has
 * died: who reads it, reads what is wanted now.
 */
export interface GroupRun {
  backend: string;
  group: string;
  id: string;
  goal: Goal;
  /** The person. */
  by: string;
  /** Where it was typed. */
  node: string;
  nodeName: string;
  /** ISO 8601; for people. */
  startedAt: string;
  /** What the daemons of other nodes are to do now. */
  order?: ContainerOrder;
}

export interface ContainerOrder {
  /** Another one for each order, so that an answer belongs to one. */
  id: string;
  /** `start` starts what the node has stopped for a run of this group, and nothing else. */
  verb: 'stop' | 'start';
  /** Ids of the nodes that are asked; all others do nothing. */
  nodes: string[];
  /** Of a stop: containers with one of these. */
  volumes: string[];
}

/** What a node has stopped for the runs of a group and owes a start, and its answer to the last order. */
export interface Halt {
  backend: string;
  group: string;
  node: string;
  nodeName: string;
  /** Stopped, or about to be, and not started again yet. */
  containers: StoppedContainer[];
  /** The last order that was gone through to its end. */
  answer?: { order: string; /** What was not done, and why. */ problems: string[] };
}

export const haltKey = ({ backend, group, node }: Pick<Halt, 'backend' | 'group' | 'node'>): string =>
  `${backend}/${group}/${node}`;
