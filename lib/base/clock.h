/* clock.h: the two clocks. Wall time decides AuRa steps; monotonic time decides leases and time-outs. Consensus code never
 * calls these: it takes time as an argument. */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include "lib/base/attr.h"

/** clock_wall_ms: milliseconds since the Unix epoch (CLOCK_REALTIME). */
uint64_t clock_wall_ms(void);
/** clock_mono_ms, clock_mono_ns: CLOCK_BOOTTIME, so that a suspended machine's lease runs on. */
uint64_t clock_mono_ms(void);
uint64_t clock_mono_ns(void);
void clock_sleep_ms(uint64_t ms);
/** clock_format_iso: "2026-11-23T09:32:52Z" (seconds since the epoch, UTC). */
void clock_format_iso(char dst[static 24], uint64_t unix_s);
/** clock_format_rfc1123: "Mon, 23 Nov 2026 09:32:52 GMT", as HTTP dates are. */
void clock_format_rfc1123(char dst[static 32], uint64_t unix_s);

/** clock_wall_in: ms from now, as pthread_cond_timedwait takes it. */
struct timespec clock_wall_in(uint64_t ms);

#endif
