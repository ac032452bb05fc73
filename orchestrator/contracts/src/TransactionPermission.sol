// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title Sample transaction permission contract, version 1
/// @notice Clients ask it before they accept a transaction of an account. One account manages the list.
contract TransactionPermission {
    /// @dev To an account without code
    uint32 private constant BASIC = 0x01;
    /// @dev To a contract
    uint32 private constant CALL = 0x02;
    /// @dev Creation of a contract
    uint32 private constant CREATE = 0x04;
    /// @dev Private transaction
    uint32 private constant PRIVATE = 0x08;

    struct Grant {
        bool isSet;
        uint32 types;
    }

    address private manager;
    uint32 private defaultTypes;
    mapping(address => Grant) private grants;

    /// @notice An account may send other types of transactions than before.
    event PermissionChanged(address indexed account, uint32 types);
    /// @notice Accounts that are not listed may send other types of transactions than before.
    event DefaultPermissionChanged(uint32 types);
    /// @notice Another account manages the list.
    event ManagerChanged(address indexed manager);

    /// @dev Refuses callers other than the manager.
    modifier onlyManager() {
        require(msg.sender == manager, "caller is not the manager");
        _;
    }

    /// @notice Sets the manager, who may send everything, and what others may send.
    /// @param firstManager Account that manages the list
    /// @param typesOfOthers Mask of the transaction types of accounts that are not listed
    constructor(address firstManager, uint32 typesOfOthers) {
        require(firstManager != address(0), "zero address");
        manager = firstManager;
        defaultTypes = typesOfOthers;
    }

    /// @notice What an account may send; the question that clients ask.
    /// @param sender The account
    /// @return Mask of transaction types: 1 to accounts without code, 2 to contracts, 4 creation, 8 private
    function allowedTxTypes(address sender) external view returns (uint32) {
        if (sender == manager) return BASIC | CALL | CREATE | PRIVATE;
        Grant storage grant = grants[sender];
        return grant.isSet ? grant.types : defaultTypes;
    }

    /// @notice Sets what an account may send.
    /// @param account The account
    /// @param types Mask of transaction types
    function setPermission(address account, uint32 types) external onlyManager {
        grants[account] = Grant(true, types);
        emit PermissionChanged(account, types);
    }

    /// @notice Takes an account off the list, so that it may send what others may.
    /// @param account The account
    function clearPermission(address account) external onlyManager {
        delete grants[account];
        emit PermissionChanged(account, defaultTypes);
    }

    /// @notice Sets what accounts that are not listed may send.
    /// @param types Mask of transaction types
    function setDefaultPermission(uint32 types) external onlyManager {
        defaultTypes = types;
        emit DefaultPermissionChanged(types);
    }

    /// @notice Hands the list to another account.
    /// @param newManager The account
    function setManager(address newManager) external onlyManager {
        require(newManager != address(0), "zero address");
        manager = newManager;
        emit ManagerChanged(newManager);
    }

    /// @notice What accounts that are not listed may send.
    /// @return Mask of transaction types
    function getDefaultPermission() external view returns (uint32) {
        return defaultTypes;
    }

    /// @notice Who manages the list.
    /// @return The account
    function getManager() external view returns (address) {
        return manager;
    }
}
