// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title A set of addresses with constant-time membership, insertion and removal
/// @notice Removal moves the last member into the gap, so the order of members is deterministic but not that of insertion.
library AddressSet {
    struct Set {
        address[] items;
        mapping(address => uint256) place; // 1 + index in items, 0 when absent
    }

    /// @notice Appends a member.
    /// @param set The set to change
    /// @param item The member to append
    /// @return True when it was absent before
    function add(Set storage set, address item) internal returns (bool) {
        if (set.place[item] != 0) return false;
        set.items.push(item);
        set.place[item] = set.items.length;
        return true;
    }

    /// @notice Takes a member out; the last member takes its place.
    /// @param set The set to change
    /// @param item The member to take out
    /// @return True when it was present before
    function remove(Set storage set, address item) internal returns (bool) {
        uint256 at = set.place[item];
        if (at == 0) return false;
        uint256 end = set.items.length;
        if (at != end) {
            address last = set.items[end - 1];
            set.items[at - 1] = last;
            set.place[last] = at;
        }
        set.items.pop();
        delete set.place[item];
        return true;
    }

    /// @notice Tells whether an address is a member.
    /// @param set The set to read
    /// @param item The address to look for
    /// @return True when it is a member
    function has(Set storage set, address item) internal view returns (bool) {
        return set.place[item] != 0;
    }

    /// @notice Counts the members.
    /// @param set The set to read
    /// @return The number of members
    function size(Set storage set) internal view returns (uint256) {
        return set.items.length;
    }
}

/// @title Validator set of an Authority Round network
/// @notice Holds three states of one list: the set IN FORCE (what clients seal with), the set ANNOUNCED by the change in
/// flight (clients were told by InitiateChange and wait for finality), and the PLANNED set (everything decided so far).
/// Clients take one change at a time and ignore signals while one is pending, so decisions taken meanwhile queue up in the
/// plan, in order, and the next change announces them all together.
/// @dev Changes are numbered. A validator's record says with which change it joins and with which it leaves; finality is
/// thus one number, and finalizeChange touches nothing but the validators that leave.
abstract contract ValidatorSet {
    using AddressSet for AddressSet.Set;

    /// @dev Caller that clients use for finalizeChange
    address internal constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    /// @dev The planned set never gets smaller than this
    uint256 internal constant MINIMUM_VALIDATORS = 1;
    /// @dev Owner of validators whose admin was removed but which the network cannot do without yet
    address internal constant NOBODY = address(0);

    struct Record {
        address admin; // who answers for the validator
        uint48 joins; // the change with which it enters the set, 0 when there is no such validator
        uint48 leaves; // the change with which it leaves the set, 0 when it stays
    }

    address[][2] private sets; // by the last bit of the change number: in force, and announced
    uint48 private finalised; // number of the change in force; genesis is change 1
    uint48 private announced; // number of the last announced change; in flight while it differs from finalised
    uint48 private announcedAt; // block of its latest InitiateChange
    uint48 private queuedJoins; // how many planned validators are not announced yet
    uint256 private capacity; // validators that one admin may have
    AddressSet.Set private planned; // the set once everything decided is in force
    AddressSet.Set[2] private leavers; // by the last bit of the change number: who leaves with it
    mapping(address => Record) private records;
    mapping(address => AddressSet.Set) private owned; // admin -> validators that are in force, announced or planned
    mapping(address => uint256) private plannedCount; // admin -> validators that are planned

    /// @notice Tells the clients of the next validator set; they adopt it when this block is final.
    event InitiateChange(bytes32 indexed _parent_hash, address[] _new_set);
    /// @notice finalizeChange ran. Clients drop the logs of system calls, so this is seen in traces only.
    event FinalizeCalled(address caller);
    /// @notice An admin called addValidators.
    event AddValidatorCalled(address caller);
    /// @notice Validators were planned to join.
    event ValidatorsAdded(address indexed admin, address[] validators);
    /// @notice Validators were planned to leave.
    event ValidatorsRemoved(address indexed admin, address[] validators);
    /// @notice The admin is gone, its validators stay until others can take over.
    event ValidatorsOrphaned(address indexed admin, address[] validators);
    /// @notice A decision waits for the change in flight; `waiting` addresses will join or leave with change `id`.
    event ChangeQueued(uint256 indexed id, uint256 waiting);
    /// @notice Change `id` is in flight.
    event ChangeStarted(uint256 indexed id, uint256 validators);
    /// @notice Change `id`, still in flight, was announced once more.
    event ChangeReemitted(uint256 indexed id);

    /// @notice Puts the first validators in force, without a change.
    /// @param admin Admin that they belong to
    /// @param validators The first validators
    /// @param validatorCapacity Validators that one admin may have
    constructor(address admin, address[] memory validators, uint256 validatorCapacity) {
        require(validators.length >= MINIMUM_VALIDATORS, "no validators");
        require(validators.length <= validatorCapacity, "over the validator capacity");
        capacity = validatorCapacity;
        for (uint256 i = 0; i < validators.length; i++) plan(admin, validators[i]);
        sets[1] = validators;
        finalised = 1;
        announced = 1;
        queuedJoins = 0;
    }

    // ---- what clients call ----

    /// @notice The validator set in force.
    /// @return The validators, in the order of their steps
    function getValidators() external view returns (address[] memory) {
        return sets[finalised & 1];
    }

    /// @notice Puts the announced set in force. Clients call it by a system call in the block after finality, and once in
    /// block 1; without a change in flight it does nothing.
    function finalizeChange() external {
        require(msg.sender == SYSTEM, "only for the system");
        emit FinalizeCalled(msg.sender);
        if (!inFlight()) return;
        finalised = announced;
        AddressSet.Set storage gone = leavers[finalised & 1];
        for (uint256 left = gone.size(); left > 0; left--) {
            address validator = gone.items[left - 1];
            owned[records[validator].admin].remove(validator);
            delete records[validator];
            gone.remove(validator);
        }
    }

    // ---- what anyone may call ----

    /// @notice Announces everything that waits in the queue. Needed only when no governance transaction followed the
    /// finality of the previous change, since each of those does the same.
    function startNextChange() external {
        require(!inFlight(), "a change is in flight");
        require(waiting() != 0, "no change is queued");
        announce();
    }

    /// @notice Announces the change in flight once more, in case that clients lost its signal. Refused until two rounds
    /// of blocks and ten more have passed since the last announcement.
    function reemitChange() external {
        require(inFlight(), "no change is in flight");
        require(block.number >= reemitFrom(), "too early to announce again");
        announcedAt = uint48(block.number);
        emit ChangeReemitted(announced);
        emit InitiateChange(blockhash(block.number - 1), sets[announced & 1]);
    }

    // ---- views ----

    /// @notice The validator set once every decision taken so far is in force.
    /// @return The validators; their order is not binding before they are announced
    function getPendingValidators() external view returns (address[] memory) {
        return planned.items;
    }

    /// @notice Validators of an admin that are in force.
    /// @param admin The admin; zero for validators without one
    /// @return The validators
    function getAdminValidators(address admin) external view returns (address[] memory) {
        return select(admin, true);
    }

    /// @notice Validators of an admin once every decision taken so far is in force.
    /// @param admin The admin; zero for validators without one
    /// @return The validators
    function getPendingAdminValidators(address admin) external view returns (address[] memory) {
        return select(admin, false);
    }

    /// @notice Validators whose admin was removed and that stay until another admin's validator joins.
    /// @return The validators
    function getOrphanedValidators() external view returns (address[] memory) {
        return select(NOBODY, false);
    }

    /// @notice How many validators one admin may have, planned ones included.
    /// @return The capacity
    function getValidatorCapacity() external view returns (uint256) {
        return capacity;
    }

    /// @notice Tells whether an address is a validator in force.
    /// @param validator The address
    /// @return True when it is
    function isValidator(address validator) external view returns (bool) {
        return inForce(records[validator]);
    }

    /// @notice What is known of a validator.
    /// @param validator The address
    /// @return admin Its admin; zero for none
    /// @return current True when it is in force
    /// @return pending True when it is in the planned set
    function getValidatorInfo(address validator) external view returns (address admin, bool current, bool pending) {
        Record storage record = records[validator];
        return (record.admin, inForce(record), planned.has(validator));
    }

    /// @notice Tells whether clients wait for the finality of a change.
    /// @return True when a change is in flight
    function isChangeInFlight() external view returns (bool) {
        return inFlight();
    }

    /// @notice State of the change queue.
    /// @return active True when a change is in flight
    /// @return id Number of the last announced change; genesis is 1
    /// @return signalBlock Block of its latest announcement
    /// @return newSet The announced set while in flight, else the set in force
    /// @return queued Addresses that wait to join or leave with the next change
    /// @return reemitBlock First block in which reemitChange is accepted; 0 when nothing is in flight
    function getChangeInfo()
        external
        view
        returns (bool active, uint256 id, uint256 signalBlock, address[] memory newSet, uint256 queued, uint256 reemitBlock)
    {
        active = inFlight();
        return (active, announced, announcedAt, sets[announced & 1], waiting(), active ? reemitFrom() : 0);
    }

    /// @notice What waits for the next change.
    /// @return joining Validators that will join
    /// @return leaving Validators that will leave
    function getQueuedChange() external view returns (address[] memory joining, address[] memory leaving) {
        joining = new address[](queuedJoins);
        uint256 found = 0;
        for (uint256 i = 0; found < joining.length; i++) {
            address validator = planned.items[i];
            if (records[validator].joins > announced) joining[found++] = validator;
        }
        leaving = leavers[nextChange() & 1].items;
    }

    // ---- for the governance on top ----

    /// @dev Plans validators to leave and others to join, as one decision of their admin.
    /// @param admin The admin that they belong to
    /// @param leaving Validators to take out
    /// @param joining Validators to bring in
    function changeValidators(address admin, address[] memory leaving, address[] memory joining) internal {
        require(leaving.length + joining.length != 0, "nothing to change");
        for (uint256 i = 0; i < leaving.length; i++) unplan(admin, leaving[i]);
        for (uint256 i = 0; i < joining.length; i++) plan(admin, joining[i]);
        require(joining.length == 0 || plannedCount[admin] <= capacity, "over the validator capacity");
        require(planned.size() >= MINIMUM_VALIDATORS, "the last validator must stay");
        if (leaving.length != 0) emit ValidatorsRemoved(admin, leaving);
        if (joining.length != 0) {
            emit ValidatorsAdded(admin, joining);
            releaseValidators(NOBODY);
        }
        noteQueue();
        advance();
    }

    /// @dev Plans all validators of an admin to leave. When too few would remain, they stay and belong to nobody, until
    /// a validator of another admin joins. For nobody's validators it is the retry.
    /// @param admin The admin, or NOBODY
    function releaseValidators(address admin) internal {
        uint256 count = plannedCount[admin];
        if (count == 0) return;
        bool enough = planned.size() - count >= MINIMUM_VALIDATORS;
        if (!enough && admin == NOBODY) return;
        address[] memory list = select(admin, false);
        for (uint256 i = 0; i < count; i++) {
            if (enough) {
                unplan(admin, list[i]);
            } else {
                owned[admin].remove(list[i]);
                owned[NOBODY].add(list[i]);
                records[list[i]].admin = NOBODY;
            }
        }
        if (enough) {
            emit ValidatorsRemoved(admin, list);
            if (admin != NOBODY) noteQueue();
        } else {
            plannedCount[admin] = 0;
            plannedCount[NOBODY] += count;
            emit ValidatorsOrphaned(admin, list);
        }
    }

    /// @dev Announces what is queued unless a change is in flight. Every governance transaction ends with it.
    function advance() internal {
        if (!inFlight() && waiting() != 0) announce();
    }

    /// @dev Announces the planned set unless a change is in flight, even when it is the set in force.
    function announceAgain() internal {
        require(!inFlight(), "a change is in flight");
        announce();
    }

    // ---- inside ----

    /// @dev Brings a validator into the plan, or takes back its queued removal.
    function plan(address admin, address validator) private {
        require(validator != address(0) && validator != SYSTEM, "not a validator address");
        Record storage record = records[validator];
        uint48 next = nextChange();
        if (record.joins == 0) {
            records[validator] = Record(admin, next, 0);
            owned[admin].add(validator);
            queuedJoins++;
        } else {
            require(record.leaves != 0, "already a validator");
            require(record.leaves == next && record.admin == admin, "its removal is not final yet");
            record.leaves = 0;
            leavers[next & 1].remove(validator);
        }
        planned.add(validator);
        plannedCount[admin]++;
    }

    /// @dev Takes a validator out of the plan; one that was never announced is forgotten at once.
    function unplan(address admin, address validator) private {
        Record storage record = records[validator];
        require(record.joins != 0 && record.admin == admin, "not your validator");
        require(record.leaves == 0, "already leaving");
        uint48 next = nextChange();
        planned.remove(validator);
        plannedCount[admin]--;
        if (record.joins == next) {
            owned[admin].remove(validator);
            delete records[validator];
            queuedJoins--;
        } else {
            record.leaves = next;
            leavers[next & 1].add(validator);
        }
    }

    /// @dev Starts the next change: all of the plan becomes the announced set. Slots that hold the right address already
    /// are not written.
    function announce() private {
        uint48 id = nextChange();
        address[] memory list = planned.items;
        address[] storage to = sets[id & 1];
        uint256 had = to.length;
        for (uint256 i = 0; i < list.length; i++) {
            if (i >= had) to.push(list[i]);
            else if (to[i] != list[i]) to[i] = list[i];
        }
        for (; had > list.length; had--) to.pop();
        announced = id;
        announcedAt = uint48(block.number);
        queuedJoins = 0;
        emit ChangeStarted(id, list.length);
        emit InitiateChange(blockhash(block.number - 1), list);
    }

    /// @dev Records in the log that a decision waits.
    function noteQueue() private {
        if (inFlight()) emit ChangeQueued(nextChange(), waiting());
    }

    /// @dev Validators of an admin: those in force, or those planned.
    function select(address admin, bool current) private view returns (address[] memory list) {
        address[] storage all = owned[admin].items;
        uint256 total = all.length;
        list = new address[](total);
        uint256 count = 0;
        for (uint256 i = 0; i < total; i++) {
            Record storage record = records[all[i]];
            if (current ? inForce(record) : record.leaves == 0) list[count++] = all[i];
        }
        assembly {
            mstore(list, count)
        }
    }

    /// @dev Records of validators that have left are deleted, so having joined is enough.
    function inForce(Record storage record) private view returns (bool) {
        return record.joins != 0 && record.joins <= finalised;
    }

    /// @dev True while clients wait for finality.
    function inFlight() private view returns (bool) {
        return announced != finalised;
    }

    /// @dev Number of the change that collects decisions now.
    function nextChange() private view returns (uint48) {
        return announced + 1;
    }

    /// @dev How many addresses join or leave with the next change.
    function waiting() private view returns (uint256) {
        return queuedJoins + leavers[nextChange() & 1].size();
    }

    /// @dev First block in which the change in flight may be announced again.
    function reemitFrom() private view returns (uint256) {
        return uint256(announcedAt) + 2 * sets[finalised & 1].length + 11;
    }
}
