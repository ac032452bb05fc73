// Made by node/member/table.mjs from the compiled contract; not edited by hand.
// name: [selector, types of the arguments]
export const CALLS = {
  "addValidators": ["0x70223952",["address[]"]],
  "announceValidators": ["0x88d94365",[]],
  "finalizeChange": ["0x75286211",[]],
  "proposeAdmin": ["0x166f2931",["address","string"]],
  "reemitChange": ["0x36117998",[]],
  "removeValidators": ["0x1d40f0d8",["address[]"]],
  "replaceValidators": ["0x6517b207",["address[]","address[]"]],
  "rescindVoteAgainst": ["0x015a7750",["address"]],
  "rescindVoteFor": ["0xd7c18d0c",["address"]],
  "setConsortiumName": ["0x64f63edf",["string"]],
  "startNextChange": ["0x998242f8",[]],
  "updateAdminAlias": ["0x5c507663",["string"]],
  "voteAgainst": ["0x5861c614",["address"]],
  "voteFor": ["0xda3550ee",["address"]],
};
// topic: [name, [name, type, indexed] of each value]
export const EVENTS = {
  "0x7e769b5b3ad39a53d8188e1d3517bf7c3f944e054f3cfc707f6c473fd80006a2": ["AddValidatorCalled",[["caller","address",false]]],
  "0x44d6d25963f097ad14f29f06854a01f575648a1ef82f30e562ccd3889717e339": ["AdminAdded",[["admin","address",false]]],
  "0xb3d02be8fd3137ed4e02f614411f33344a12a6cb02fbf05ef25c809be1c04e77": ["AdminProposed",[["admin","address",false]]],
  "0xa3b62bc36326052d97ea62d63c3d60308ed4c3ea8ac079dd8499f1e9c4f80c0f": ["AdminRemoved",[["admin","address",false]]],
  "0x3ef33afd41d1e4fdce38115f458f6ea7012c18c952f451f3a198ace181902ff5": ["AliasChanged",[["admin","address",true],["adminAlias","string",false]]],
  "0x5286ca66deadab5fa970c66e957b8031fc1c8cb0209c0bddb6b7c0fa43f1cdab": ["ChangeQueued",[["id","uint256",true],["waiting","uint256",false]]],
  "0x36b62ae45a8b1b9cfd6b9f392db6f8e76a39a42b9569e75defa3d13feb9c58f5": ["ChangeReemitted",[["id","uint256",true]]],
  "0x7e0a5808fa9193f0b19aa9c51af29ba465e8d82c17dfbcd230a4624dd747fe46": ["ChangeStarted",[["id","uint256",true],["validators","uint256",false]]],
  "0x78b88a3973a4eea9c455957d35465f2bd5eb3af82870185bc56147d444b46b1a": ["ConsortiumNameChanged",[["admin","address",true],["name","string",false]]],
  "0xa1d5d90634e42b574d01d50a5668c760d170bf7dbb48b75022e0cf96f8dbad99": ["FinalizeCalled",[["caller","address",false]]],
  "0x55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89": ["InitiateChange",[["parent_hash","bytes32",true],["new_set","address[]",false]]],
  "0xb5daea123b4f9ceb812de7559307c1823da6779003495a79531735c4bd12d62e": ["ProposalRejected",[["admin","address",true]]],
  "0xa5b08a9ecdbd5a58ad2cad96fbad20d1d2ee3924a737a6c305c389136ab2cf55": ["ProposalWithdrawn",[["admin","address",true]]],
  "0x00068ca4f443319b0b9c7888d3d1f628efbb2fe31efe99becc338bffb6d35483": ["ValidatorsAdded",[["admin","address",true],["validators","address[]",false]]],
  "0x83403cc91b25a47a0a1b96ec6ff9d3acb4cf900454a34ce6fafec43c8bc558f5": ["ValidatorsOrphaned",[["admin","address",true],["validators","address[]",false]]],
  "0xe2321af6849f29db00de5f46d1aeeab2f5f9fb5818195ee180aa8c2bc5b4b498": ["ValidatorsRemoved",[["admin","address",true],["validators","address[]",false]]],
  "0x1e4b0d6d47d141f70b5fb6ef8873258059b92f9d57ef753cd9cdfc22cb001edf": ["VoteCast",[["voter","address",true],["subject","address",true],["isFor","bool",false],["votes","uint256",false],["needed","uint256",false]]],
  "0x731160138474b18e9a7b000e67e951b9f5be78936f424c39aa37ee9b53b36b79": ["VoteRescinded",[["voter","address",true],["subject","address",true],["isFor","bool",false],["votes","uint256",false],["needed","uint256",false]]],
};
