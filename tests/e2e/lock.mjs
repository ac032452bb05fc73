// Makes package-lock.json anew (`npm run lock`). npm 9, Debian 12's, cannot read the lock of an override whose original is a git address, so the address
// in web3 0.20.2's entry is replaced by the version that the override names; newer ones read it just the same.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const folder = new URL('.', import.meta.url);
execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--omit-lockfile-registry-resolved'], { cwd: folder, stdio: 'inherit' });
const file = new URL('package-lock.json', folder), { overrides } = JSON.parse(fs.readFileSync(new URL('package.json', folder), 'utf8'));
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
lock.packages['node_modules/web3'].dependencies['bignumber.js'] = overrides['web3@0.20.2']['bignumber.js'];
fs.writeFileSync(file, JSON.stringify(lock, null, 2) + '\n');
