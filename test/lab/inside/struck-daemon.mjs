// The daemon that the scenario `kill` strikes at: the hook, then the product with rounds of recovery in quick succession.
await import('../../daemon-process-hook.mjs');
await import('../../daemon-entry.mjs');
