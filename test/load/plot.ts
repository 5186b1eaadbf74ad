import type { Sample } from './gauges.js';

const WIDTH = 860;
const PANEL = { left: 70, right: 20, top: 34, height: 110, gap: 44 };
const COLOURS = ['#01a982', '#7630ea', '#ff8300', '#0d5265'];

interface Panel {
  title: string;
  lines: { name: string; of: (sample: Sample, previous: Sample | undefined) => number }[];
}

const panelsOf = (nodes: number): Panel[] => {
  const each = (of: (sample: Sample, node: number) => number): Panel['lines'] =>
    Array.from({ length: nodes }, (_, node) => ({ name: `node ${node + 1}`, of: (sample) => of(sample, node) }));
  return [
    { title: 'resident memory of each daemon, MiB', lines: each(({ memory }, node) => memory[node] ?? 0) },
    { title: 'open file descriptors of each daemon', lines: each(({ files }, node) => files[node] ?? 0) },
    {
      title: 'on both arrays together',
      lines: [
        { name: 'sessions', of: ({ sessions }) => sessions },
        { name: 'volumes in use', of: ({ volumes }) => volumes },
      ],
    },
    {
      title: 'verbs answered per second, and errors since the start',
      lines: [
        { name: 'verbs/s', of: rate },
        { name: 'errors', of: ({ errors }) => errors },
      ],
    },
  ];
};

function rate(sample: Sample, previous: Sample | undefined): number {
  if (previous === undefined) return 0;
  return (sample.verbs - previous.verbs) / Math.max(1, sample.seconds - previous.seconds);
}

/** The run as an SVG: one panel for each kind of gauge over the minutes. */
export function plotSamples(samples: readonly Sample[]): string {
  const panels = panelsOf(samples[0]?.memory.length ?? 0);
  const height = PANEL.top + panels.length * (PANEL.height + PANEL.gap);
  const body = panels.flatMap((panel, index) =>
    drawPanel(samples, panel, PANEL.top + index * (PANEL.height + PANEL.gap)),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel(samples: readonly Sample[], { title, lines }: Panel, top: number): string[] {
  const values = lines.map(({ of }) => samples.map((sample, index) => of(sample, samples[index - 1])));
  const highest = niceAbove(Math.max(1, ...values.flat()));
  const lastSecond = Math.max(1, samples.at(-1)?.seconds ?? 1);
  const right = WIDTH - PANEL.right;
  const x = (seconds: number): number => round(PANEL.left + ((right - PANEL.left) * seconds) / lastSecond);
  const y = (value: number): number => round(top + PANEL.height * (1 - value / highest));
  const text = (at: string, content: string): string => `<text ${at}>${content}</text>`;
  const out = [text(`x="${PANEL.left}" y="${top - 8}" font-weight="bold"`, title)];
  for (const value of [0, highest / 2, highest]) {
    out.push(`<path d="M${PANEL.left} ${y(value)}H${right}" stroke="#ddd"/>`);
    out.push(text(`x="${PANEL.left - 8}" y="${y(value) + 4}" text-anchor="end"`, String(value)));
  }
  const step = Math.max(1, Math.ceil(lastSecond / 60 / 10));
  for (let minute = 0; minute * 60 <= lastSecond; minute += step) {
    out.push(text(`x="${x(minute * 60)}" y="${top + PANEL.height + 15}" text-anchor="middle"`, `${minute} min`));
  }
  lines.forEach(({ name }, index) => {
    const points = (values[index] ?? []).map((value, at) => `${x(samples[at]?.seconds ?? 0)},${y(value)}`).join(' ');
    const colour = COLOURS[index] ?? 'black';
    out.push(`<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
    out.push(
      text(`x="${right - 110 * (lines.length - index) + 100}" y="${top - 8}" text-anchor="end" fill="${colour}"`, name),
    );
  });
  return out;
}

/** 1, 2 or 5 with zeros, twice over: halves of it are round, too. */
function niceAbove(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8, 10].find((each) => each * unit >= value) ?? 10) * unit;
}

const round = (pixels: number): number => Math.round(pixels * 10) / 10;
