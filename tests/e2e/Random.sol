// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// Commit and reveal in rounds, with the interface that AuRa clients call (spec key randomnessContractAddress). For tests: strict about order and
/// phase, so that a wrong call reverts and shows.
contract Random {
    uint256 public constant HALF = 5; // blocks of each phase
    uint256 public seed;
    uint256 public reveals;
    mapping(uint256 => mapping(address => bytes32)) private hashOf;
    mapping(uint256 => mapping(address => bytes)) private cipherOf;
    mapping(uint256 => mapping(address => bool)) public sentReveal;

    event Committed(uint256 indexed round, address indexed who);
    event Revealed(uint256 indexed round, address indexed who, uint256 number);

    function currentCollectRound() public view returns (uint256) {
        return block.number / (2 * HALF);
    }

    function isCommitPhase() public view returns (bool) {
        return block.number % (2 * HALF) < HALF;
    }

    function isRevealPhase() public view returns (bool) {
        return !isCommitPhase();
    }

    function isCommitted(uint256 round, address who) public view returns (bool) {
        return hashOf[round][who] != 0;
    }

    function getCommitAndCipher(uint256 round, address who) external view returns (bytes32, bytes memory) {
        return (hashOf[round][who], cipherOf[round][who]);
    }

    function commitHash(bytes32 numberHash, bytes calldata cipher) external {
        uint256 round = currentCollectRound();
        require(isCommitPhase() && !isCommitted(round, msg.sender) && numberHash != 0 && cipher.length > 0, "commit");
        hashOf[round][msg.sender] = numberHash;
        cipherOf[round][msg.sender] = cipher;
        emit Committed(round, msg.sender);
    }

    function revealNumber(uint256 number) external {
        uint256 round = currentCollectRound();
        require(isRevealPhase() && !sentReveal[round][msg.sender], "reveal");
        require(keccak256(abi.encodePacked(number)) == hashOf[round][msg.sender], "number");
        sentReveal[round][msg.sender] = true;
        seed ^= number;
        reveals++;
        emit Revealed(round, msg.sender, number);
    }
}
