// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "./ValidatorSet.sol";

/// @title Consortium governance: admins by vote, and each admin's validators
/// @notice Admins vote other admins in and out by a majority of the admins of the moment, and choose the validators that
/// act for them. One admin has one vote per subject, for or against. A proposal lives while at least one admin is for it.
contract AdminValidatorSet is ValidatorSet {
    using AddressSet for AddressSet.Set;

    /// @dev Open proposals that one admin may have made, and about how many all may have together: they bound the work of an
    /// admin's removal, which must fit into a block whatever a minority does. Everyone may have one.
    uint256 private constant MAX_OPEN_PROPOSALS = 16;
    uint256 private constant MAX_ALL_PROPOSALS = 512;
    /// @dev Votes that one transaction may clear away after a removal; what else is decided by then waits for the next one
    uint256 private constant MAX_EFFORT = 256;
    /// @dev Bytes in an alias or in the name of the consortium
    uint256 private constant MAX_TEXT = 256;

    AddressSet.Set private admins;
    AddressSet.Set private proposals;
    mapping(address => AddressSet.Set) private votersFor; // subject -> admins
    mapping(address => AddressSet.Set) private votersAgainst; // subject -> admins
    mapping(address => AddressSet.Set) private votedOn; // admin -> subjects
    mapping(address => address) private proposers; // proposal -> who made it
    mapping(address => uint256) private openProposals; // proposer -> open proposals
    mapping(address => string) private aliases;
    bool private unsettled; // the majority has become smaller, and not all of it was carried out yet
    string private consortiumName = "Proof of Authority Consortium";

    /// @notice An admin was proposed.
    event AdminProposed(address admin);
    /// @notice A proposal reached the majority.
    event AdminAdded(address admin);
    /// @notice An admin was voted out.
    event AdminRemoved(address admin);
    /// @notice A vote; `votes` is the tally on its side and `needed` the majority, both after it.
    event VoteCast(address indexed voter, address indexed subject, bool isFor, uint256 votes, uint256 needed);
    /// @notice A vote was taken back, by its voter or since the voter is no longer an admin.
    event VoteRescinded(address indexed voter, address indexed subject, bool isFor, uint256 votes, uint256 needed);
    /// @notice A majority voted against a proposal.
    event ProposalRejected(address indexed admin);
    /// @notice Nobody is for a proposal any more.
    event ProposalWithdrawn(address indexed admin);
    /// @notice An admin or a proposal has a new alias.
    event AliasChanged(address indexed admin, string adminAlias);
    /// @notice The consortium has a new name.
    event ConsortiumNameChanged(address indexed admin, string name);

    /// @dev Refuses callers that are not admins.
    modifier onlyAdmin() {
        require(admins.has(msg.sender), "caller is not an admin");
        _;
    }

    /// @notice Makes the first admin and its validators. Runs in genesis or in a transaction alike.
    /// @param admin The first admin
    /// @param validators Its validators, in force at once
    /// @param validatorCapacity Validators that one admin may have
    /// @param adminAlias Alias of the first admin
    constructor(address admin, address[] memory validators, uint256 validatorCapacity, string memory adminAlias)
        ValidatorSet(admin, validators, validatorCapacity)
    {
        require(admin != address(0), "zero address");
        admins.add(admin);
        setAlias(admin, adminAlias);
        emit AdminAdded(admin);
    }

    // ---- admins ----

    /// @notice Proposes an admin and votes for it; a majority of one is enough when there is one admin.
    /// @param proposedAdminAddress The account to propose
    /// @param adminAlias Its alias
    function proposeAdmin(address proposedAdminAddress, string calldata adminAlias) external onlyAdmin {
        require(proposedAdminAddress != address(0), "zero address");
        require(!admins.has(proposedAdminAddress), "already an admin");
        require(proposals.add(proposedAdminAddress), "already proposed");
        uint256 open = ++openProposals[msg.sender];
        require(
            open == 1 || (open <= MAX_OPEN_PROPOSALS && open * admins.size() <= MAX_ALL_PROPOSALS),
            "too many open proposals"
        );
        proposers[proposedAdminAddress] = msg.sender;
        emit AdminProposed(proposedAdminAddress);
        setAlias(proposedAdminAddress, adminAlias);
        castFor(proposedAdminAddress);
        conclude(false, 0);
    }

    /// @notice Votes for a proposal.
    /// @param admin The proposed admin
    function voteFor(address admin) external onlyAdmin {
        castFor(admin);
        conclude(false, 0);
    }

    /// @notice Votes for the removal of an admin, or for the rejection of a proposal.
    /// @param admin The admin or the proposed admin
    function voteAgainst(address admin) external onlyAdmin {
        bool member = admins.has(admin);
        require(member || proposals.has(admin), "neither admin nor proposed");
        require(!member || admins.size() > 1, "the last admin must stay");
        require(!votersFor[admin].has(msg.sender), "rescind your vote for it first");
        require(votersAgainst[admin].add(msg.sender), "already voted");
        votedOn[msg.sender].add(admin);
        uint256 votes = votersAgainst[admin].size();
        uint256 needed = majority();
        emit VoteCast(msg.sender, admin, false, votes, needed);
        uint256 spent = 0;
        if (votes >= needed) {
            if (member) {
                spent = effort(admin);
                expel(admin);
            } else {
                reject(admin);
            }
        }
        conclude(majority() < needed, spent);
    }

    /// @notice Takes back the caller's vote for a proposal; without any vote left the proposal is withdrawn.
    /// @param admin The proposed admin
    function rescindVoteFor(address admin) external onlyAdmin {
        require(votersFor[admin].has(msg.sender), "no such vote");
        takeBack(msg.sender, admin);
        conclude(false, 0);
    }

    /// @notice Takes back the caller's vote against an admin or a proposal.
    /// @param admin The admin or the proposed admin
    function rescindVoteAgainst(address admin) external onlyAdmin {
        require(votersAgainst[admin].has(msg.sender), "no such vote");
        takeBack(msg.sender, admin);
        conclude(false, 0);
    }

    /// @notice Changes the caller's alias.
    /// @param adminAlias The new alias
    function updateAdminAlias(string calldata adminAlias) external onlyAdmin {
        setAlias(msg.sender, adminAlias);
        conclude(false, 0);
    }

    /// @notice Changes the name of the consortium.
    /// @param name The new name
    function setConsortiumName(string calldata name) external onlyAdmin {
        require(bytes(name).length <= MAX_TEXT, "text too long");
        consortiumName = name;
        emit ConsortiumNameChanged(msg.sender, name);
        conclude(false, 0);
    }

    /// @notice Goes on with what a smaller majority has decided, when one transaction was not enough for it. Anyone may; each
    /// vote, proposal and rescission does the same.
    function settleDecisions() external {
        require(unsettled, "nothing to settle");
        conclude(false, 0);
    }

    // ---- validators of the caller ----

    /// @notice Brings in validators that act for the caller.
    /// @param validators The validators
    function addValidators(address[] calldata validators) external onlyAdmin {
        emit AddValidatorCalled(msg.sender);
        changeValidators(msg.sender, new address[](0), validators);
    }

    /// @notice Takes out validators of the caller.
    /// @param validators The validators
    function removeValidators(address[] calldata validators) external onlyAdmin {
        changeValidators(msg.sender, validators, new address[](0));
    }

    /// @notice Takes out and brings in validators of the caller in one change, as key rotation needs it.
    /// @param leaving Validators to take out
    /// @param joining Validators to bring in
    function replaceValidators(address[] calldata leaving, address[] calldata joining) external onlyAdmin {
        changeValidators(msg.sender, leaving, joining);
    }

    /// @notice Announces the planned set even when nothing is queued, to bring clients back in line with this contract.
    function announceValidators() external onlyAdmin {
        announceAgain();
    }

    // ---- views ----

    /// @notice The admins.
    /// @return The admins
    function getAdmins() external view returns (address[] memory) {
        return admins.items;
    }

    /// @notice The number of admins.
    /// @return The number
    function getAdminCount() external view returns (uint256) {
        return admins.size();
    }

    /// @notice Tells whether an account is an admin.
    /// @param admin The account
    /// @return True when it is
    function isAdmin(address admin) external view returns (bool) {
        return admins.has(admin);
    }

    /// @notice The open proposals.
    /// @return The proposed admins
    function getProposedAdmins() external view returns (address[] memory) {
        return proposals.items;
    }

    /// @notice The number of open proposals.
    /// @return The number
    function getProposedCount() external view returns (uint256) {
        return proposals.size();
    }

    /// @notice Tells whether an account is proposed as an admin.
    /// @param admin The account
    /// @return True when it is
    function isProposed(address admin) external view returns (bool) {
        return proposals.has(admin);
    }

    /// @notice Who made an open proposal.
    /// @param admin The proposed admin
    /// @return The proposer; zero when there is no such proposal
    function getProposer(address admin) external view returns (address) {
        return proposers[admin];
    }

    /// @notice Alias of an admin or of a proposed admin.
    /// @param admin The account
    /// @return The alias; empty for anyone else
    function getAliasForAdmin(address admin) external view returns (string memory) {
        return aliases[admin];
    }

    /// @notice Votes that a decision takes at present.
    /// @return More than half of the admins
    function getMajority() external view returns (uint256) {
        return majority();
    }

    /// @notice Tells whether something has enough votes by now and waits for the next transaction.
    /// @return True when settleDecisions is accepted
    function hasUnsettledDecisions() external view returns (bool) {
        return unsettled;
    }

    /// @notice Counts the votes for a proposal.
    /// @param admin The proposed admin
    /// @return The number of votes
    function countOfVotesFor(address admin) external view returns (uint256) {
        return votersFor[admin].size();
    }

    /// @notice Counts the votes against an admin or a proposal.
    /// @param admin The admin or the proposed admin
    /// @return The number of votes
    function countOfVotesAgainst(address admin) external view returns (uint256) {
        return votersAgainst[admin].size();
    }

    /// @notice Tells whether the caller has voted for a proposal.
    /// @param admin The proposed admin
    /// @return True when the vote stands
    function hasAlreadyVotedFor(address admin) external view returns (bool) {
        return votersFor[admin].has(msg.sender);
    }

    /// @notice Tells whether the caller has voted against an admin or a proposal.
    /// @param admin The admin or the proposed admin
    /// @return True when the vote stands
    function hasAlreadyVotedAgainst(address admin) external view returns (bool) {
        return votersAgainst[admin].has(msg.sender);
    }

    /// @notice Who has voted for a proposal.
    /// @param admin The proposed admin
    /// @return The voters
    function whoHasVotedFor(address admin) external view returns (address[] memory) {
        return votersFor[admin].items;
    }

    /// @notice Who has voted against an admin or a proposal.
    /// @param admin The admin or the proposed admin
    /// @return The voters
    function whoHasVotedAgainst(address admin) external view returns (address[] memory) {
        return votersAgainst[admin].items;
    }

    /// @notice Name of the consortium.
    /// @return The name
    function getConsortiumName() external view returns (string memory) {
        return consortiumName;
    }

    // ---- inside ----

    /// @dev More than half of the present admins.
    function majority() private view returns (uint256) {
        return admins.size() / 2 + 1;
    }

    /// @dev Sets the alias of an admin or proposal.
    function setAlias(address admin, string memory adminAlias) private {
        require(bytes(adminAlias).length <= MAX_TEXT, "text too long");
        aliases[admin] = adminAlias;
        emit AliasChanged(admin, adminAlias);
    }

    /// @dev Adds the caller's vote for a proposal and admits it when that decides.
    function castFor(address admin) private {
        require(proposals.has(admin), "not proposed");
        require(!votersAgainst[admin].has(msg.sender), "rescind the vote against first");
        require(votersFor[admin].add(msg.sender), "already voted");
        votedOn[msg.sender].add(admin);
        uint256 votes = votersFor[admin].size();
        uint256 needed = majority();
        emit VoteCast(msg.sender, admin, true, votes, needed);
        if (votes >= needed) admit(admin);
    }

    /// @dev Takes back the one vote that an admin has on a subject.
    function takeBack(address voter, address subject) private {
        votedOn[voter].remove(subject);
        bool isFor = votersFor[subject].remove(voter);
        if (!isFor) votersAgainst[subject].remove(voter);
        uint256 votes = isFor ? votersFor[subject].size() : votersAgainst[subject].size();
        emit VoteRescinded(voter, subject, isFor, votes, majority());
        if (isFor && votes == 0) {
            close(subject);
            delete aliases[subject];
            emit ProposalWithdrawn(subject);
        }
    }

    /// @dev Forgets all votes on a subject.
    function clearVotes(address subject) private {
        forget(votersFor[subject], subject);
        forget(votersAgainst[subject], subject);
    }

    /// @dev Forgets one side's votes on a subject.
    function forget(AddressSet.Set storage voters, address subject) private {
        for (uint256 left = voters.size(); left > 0; left--) {
            address voter = voters.items[left - 1];
            voters.remove(voter);
            votedOn[voter].remove(subject);
        }
    }

    /// @dev Ends a proposal, whatever its outcome.
    function close(address subject) private {
        proposals.remove(subject);
        openProposals[proposers[subject]]--;
        delete proposers[subject];
        clearVotes(subject);
    }

    /// @dev A proposal has won.
    function admit(address subject) private {
        close(subject);
        admins.add(subject);
        emit AdminAdded(subject);
    }

    /// @dev A proposal has lost.
    function reject(address subject) private {
        close(subject);
        delete aliases[subject];
        emit ProposalRejected(subject);
    }

    /// @dev An admin is voted out: its votes go, and its validators.
    function expel(address subject) private {
        admins.remove(subject);
        clearVotes(subject);
        for (uint256 left = votedOn[subject].size(); left > 0; left = votedOn[subject].size()) {
            takeBack(subject, votedOn[subject].items[left - 1]);
        }
        delete aliases[subject];
        emit AdminRemoved(subject);
        releaseValidators(subject);
    }

    /// @dev Ends a transaction of the admins: what waits is carried out, then announced.
    /// @param due True when the majority has become smaller
    /// @param spent Effort of this transaction so far
    function conclude(bool due, uint256 spent) private {
        if (due || unsettled) settle(spent);
        advance();
    }

    /// @dev Votes that a decision on a subject clears away, at most.
    function effort(address subject) private view returns (uint256) {
        uint256 votes = votersFor[subject].size() + votersAgainst[subject].size();
        if (!admins.has(subject)) return votes;
        return votes + votedOn[subject].size() + openProposals[subject] * majority();
    }

    /// @dev The majority has become smaller: carries out what has enough votes by now. Removals come before proposals,
    /// each in the order of its list, and every outcome is judged by the admins that the one before left. It stops when
    /// the work would be too much for a block; a transaction of its own carries out one decision at least.
    /// @param spent Effort of this transaction so far
    function settle(uint256 spent) private {
        for (address subject = nextDecided(); subject != address(0); subject = nextDecided()) {
            uint256 more = effort(subject);
            if (spent != 0 && spent + more > MAX_EFFORT) {
                unsettled = true;
                return;
            }
            spent += more;
            if (admins.has(subject)) expel(subject);
            else if (votersFor[subject].size() >= majority()) admit(subject);
            else reject(subject);
        }
        if (unsettled) unsettled = false;
    }

    /// @dev The first subject that has enough votes.
    /// @return The subject; zero when there is none
    function nextDecided() private view returns (address) {
        uint256 needed = majority();
        uint256 count = admins.size();
        for (uint256 i = 0; count > 1 && i < count; i++) {
            if (votersAgainst[admins.items[i]].size() >= needed) return admins.items[i];
        }
        count = proposals.size();
        for (uint256 i = 0; i < count; i++) {
            address subject = proposals.items[i];
            if (votersFor[subject].size() >= needed || votersAgainst[subject].size() >= needed) return subject;
        }
        return address(0);
    }
}
