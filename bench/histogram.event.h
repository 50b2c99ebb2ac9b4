/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What both sides of the histograms' bench know. */
#pragma once

#define BENCH_VALUES 4096
#define BENCH_RECORDS 256
#define LOG2_SLOTS 36
/* As block_io counts nanoseconds. */
#define FINE_UNIT 4
#define FINE_END 36
#define FINE_SLOTS WAGGLE_HIST_SLOTS(FINE_UNIT, FINE_END)
