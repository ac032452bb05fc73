export function badTests() {}
