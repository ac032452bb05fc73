// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A contract with what clients need to be tried on: state, events, a custom error, a reason, value, creation of contracts.
contract Board {
    struct Note { address author; string text; }

    event Posted(address indexed author, uint256 indexed number, string text);
    error TooLong(uint256 length, uint256 most);

    uint256 public immutable most;
    Note[] public notes;
    mapping(address => uint256) public paid;
    Leaf public leaf;

    constructor(uint256 most_) payable { most = most_; }

    function post(string calldata text) external returns (uint256 number) {
        if (bytes(text).length > most) revert TooLong(bytes(text).length, most);
        require(bytes(text).length > 0, "nothing to post");
        number = notes.length;
        notes.push(Note(msg.sender, text));
        emit Posted(msg.sender, number, text);
    }
    function count() external view returns (uint256) { return notes.length; }
    function pay() external payable { paid[msg.sender] += msg.value; }
    function grow(bytes32 salt) external { leaf = new Leaf{salt: salt}(); }
    function fail() external pure { assert(false); }
}

contract Leaf {
    address public immutable parent = msg.sender;
}
