// What every measurement is printed with: medians, the machine, the compiler, the commit. People get lines on stderr, --json gets one document.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { bin, root } from './single.mjs';

export const median = (list) => {
  const s = [...list].sort((a, b) => a - b), n = s.length;
  return n === 0 ? NaN : (s[(n - 1) >> 1] + s[n >> 1]) / 2;
};
export const percentile = (list, p) => { const s = [...list].sort((a, b) => a - b); return s[Math.min(s.length - 1, Math.floor(s.length * p))]; };
export const round = (x, digits = 2) => (Number.isFinite(x) ? Number(x.toFixed(digits)) : null);
export const say = (line) => console.error(line);
export const spread = (list) => `${round(Math.min(...list))} to ${round(Math.max(...list))}`;

const first = (file, args) => {
  try { return execFileSync(file, args, { encoding: 'utf8', cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0]; } catch { return 'unknown'; }
};
export function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model?.trim() ?? 'unknown', cores: cpus.length, memory_mib: Math.round(os.totalmem() / 1048576), kernel: os.release(), load_before: round(os.loadavg()[0]),
    compiler: first(process.env.CC ?? 'gcc', ['--version']), node: process.version, commit: first('git', ['rev-parse', '--short', 'HEAD']),
    dirty: (() => { try { return execFileSync('git', ['status', '--porcelain', '-uno'], { cwd: root, encoding: 'utf8' }).length > 0; } catch { return null; } })(),
    programs: bin.startsWith(root) ? bin.slice(root.length).replace(/^\//, '') : bin, at: new Date().toISOString(),
  };
}
export const havePeer = () => fs.existsSync(new URL('node_modules/.bin/anvil', import.meta.url));
