// A developer's project as hardhat's guide makes it; the compiler is the one of the lock file instead of a download.
const { subtask } = require('hardhat/config');
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require('hardhat/builtin-tasks/task-names');

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => ({
  compilerPath: require.resolve('solc/soljson.js'), isSolcJs: true, version: solcVersion, longVersion: require('solc').version().replace('.Emscripten.clang', ''),
}));
module.exports = {
  solidity: { version: '0.8.30', settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: 'london' } },
  networks: { poa: { url: process.env.POA_RPC, accounts: [process.env.POA_KEY], gasPrice: 0, timeout: 60000 } },
  mocha: { timeout: 120000 },
};
