import { describe, expect, it } from '@jest/globals';
import type { Sample } from '../load/gauges.js';
import { findGrowth } from '../load/growth.js';
import { plotSamples } from '../load/plot.js';

/** A run of 300 samples. */
const run = (of: (index: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 300 }, (_, index) => ({
    seconds: index * 5,
    memory: [100],
    files: [40],
    sessions: 6,
    volumes: 0,
    verbs: index * 10,
    errors: 0,
    ...of(index),
  }));

describe('growth under load', () => {
  it('is not what goes up and down, and not what warms up', () => {
    const breathing = (index: number) => ({ memory: [100 + (index % 2) * 40], files: [40 + (index % 20)] });
    expect(findGrowth(run(breathing))).toEqual([]);
    expect(findGrowth(run((index) => ({ memory: [Math.min(200, 50 + index * 3)] })))).toEqual([]);
  });

  it.each([
    [
      'memory',
      (index: number) => ({ memory: [100 + index / 4] }),
      /^memory of node 1 \(MiB\) grew from 137\.5 to 162\.5$/,
    ],
    ['open files', (index: number) => ({ files: [40 + Math.floor(index / 10)] }), /^open files of node 1 grew/],
    [
      'sessions',
      (index: number) => ({ sessions: 6 + Math.floor(index / 100) }),
      /^sessions on the arrays grew from 7 to 8$/,
    ],
  ])('is %s that goes on rising', (_what, of, expected) => {
    expect(findGrowth(run(of))).toEqual([expect.stringMatching(expected)]);
  });
});

describe('the plot', () => {
  it('has a line of as many points as there are samples for each gauge, within the picture', () => {
    const svg = plotSamples(run((index) => ({ memory: [100, index], files: [40, 50] })));
    const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, points = '']) => points.split(' '));
    expect(lines.map((points) => points.length)).toEqual(Array.from({ length: 8 }, () => 300));
    const numbers = lines.flat().flatMap((point) => point.split(',').map(Number));
    expect(numbers.every((each) => each >= 0 && each <= 860)).toBe(true);
  });
});
