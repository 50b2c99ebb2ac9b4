/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Distributions, counted in the kernel: 16 steps an octave, so that whatever lies in a step is within 1/32 of
 * its middle. Values are counted in units of 2^unit. Below 16 units a slot holds one unit; above, each octave
 * (from a power of two to the next) has 16 slots of equal width; the last slot holds everything from 2^end
 * on.
 *
 * Slots are __u32: a reader that subtracts what it saw last time gets the right figure also where one wrapped
 * round. They stay on the kernel's side: a row carries a struct waggle_histogram, and behind it only the
 * slots that are not empty (src/model/histogram.h). docs/decisions/008 says why. */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define WAGGLE_HIST_STEP_BITS 4
/* How many slots; `end` is at least unit + 5. */
#define WAGGLE_HIST_SLOTS(unit, end) \
    ((((end) - (unit) - WAGGLE_HIST_STEP_BITS + 1) << WAGGLE_HIST_STEP_BITS) + 1)

/* In a row: where behind the fixed part its slots are; as waggle_text. */
struct waggle_histogram {
    __u32 offset;
    __u32 length;
};

/* The slot of a value. `unit` and `end` are constants: with 32 octaves or fewer all is done in 32 bits. The
 * shift that leaves five bits is found by halves, and the octave and the step in it come out of one addition.
 */
static inline __attribute__((always_inline)) __u32 waggle_hist_slot(__u64 value, __u32 unit, __u32 end) {
    __u32 shift = 0, low;
    if (end < 64 && value >> end) return WAGGLE_HIST_SLOTS(unit, end) - 1;
    value >>= unit;
    if (end - unit > 32 && value >> 36) value >>= 32, shift = 32;
    if (end - unit > 32 && value >> 20) value >>= 16, shift += 16;
    low = (__u32)value;
    if (end - unit <= 32 && low >> 20) low >>= 16, shift = 16;
    if (low >> 12) low >>= 8, shift += 8;
    if (low >> 8) low >>= 4, shift += 4;
    if (low >> 6) low >>= 2, shift += 2;
    if (low >> 5) low >>= 1, shift += 1;
    return (shift << WAGGLE_HIST_STEP_BITS) + low;
}

/* Counts a value: `slots` has WAGGLE_HIST_SLOTS(unit, end) of them. */
static inline __attribute__((always_inline)) void waggle_hist_count(__u32* slots, __u64 value, __u32 unit,
                                                                    __u32 end) {
    __u32 slot = waggle_hist_slot(value, unit, end);
    if (slot < WAGGLE_HIST_SLOTS(unit, end)) __sync_fetch_and_add(&slots[slot], 1);
}

#ifdef __cplusplus
static_assert(sizeof(waggle_histogram) == 8);
#endif
