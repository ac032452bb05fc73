// What `hardhat test --network poa` runs: deploy, send, read, revert, through hardhat's own provider (it signs with the project's account).
const assert = require('node:assert/strict');
const hre = require('hardhat');
const { Interface, AbiCoder } = require(process.env.POA_ETHERS);

const ask = (method, params = []) => hre.network.provider.request({ method, params });
async function mined(hash) {
  for (;;) {
    const r = await ask('eth_getTransactionReceipt', [hash]);
    if (r) return r;
    await new Promise((ok) => setTimeout(ok, 200));
  }
}
describe('Board on our network', () => {
  let to, from, artifact, board;
  it('is deployed', async () => {
    artifact = await hre.artifacts.readArtifact('Board');
    board = new Interface(artifact.abi);
    [from] = await ask('eth_accounts');
    const data = artifact.bytecode + AbiCoder.defaultAbiCoder().encode(['uint256'], [40]).slice(2);
    const r = await mined(await ask('eth_sendTransaction', [{ from, data }])); // gas: hardhat asks for an estimate
    assert.equal(r.status, '0x1');
    to = r.contractAddress;
  });
  it('is written to and read', async () => {
    const r = await mined(await ask('eth_sendTransaction', [{ from, to, data: board.encodeFunctionData('post', ['by hardhat']) }]));
    assert.equal(r.logs.length, 1);
    assert.equal(board.parseLog(r.logs[0]).args.text, 'by hardhat');
    assert.equal(BigInt(await ask('eth_call', [{ to, data: board.encodeFunctionData('count') }, 'latest'])), 1n);
  });
  it('says why it reverts', async () => {
    await assert.rejects(ask('eth_call', [{ to, data: board.encodeFunctionData('post', ['']) }, 'latest']), /nothing to post/);
    await assert.rejects(ask('eth_sendTransaction', [{ from, to, data: board.encodeFunctionData('post', ['']) }]), /nothing to post/);
  });
});
