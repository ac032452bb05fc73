export function sdkTests() {}
